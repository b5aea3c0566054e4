"""The shared cache of a process."""

from __future__ import annotations

import os
import threading
from typing import Any, Final

from calib.errors import ConfigError
from calib.smartcache.cache import SmartCacheEnhanced

_lock: Final = threading.Lock()
_cache: SmartCacheEnhanced | None = None
_made_with: tuple[object, ...] = ()


def get_smart_cache(redis_url: str | None = None, enabled: bool = True, **options: Any) -> SmartCacheEnhanced:
    """Return the cache of this process, created by the first call with these arguments; later calls may omit them.

    A forked child has its own cache: connections cannot be shared.

    Raises
    ------
    calib.errors.ConfigError
        If the cache exists and was created with other arguments.
    """
    global _cache, _made_with
    wanted = (redis_url, enabled, options)
    with _lock:
        if _cache is None or _made_with[0] != os.getpid():
            _cache = SmartCacheEnhanced(redis_url, enabled, **options)
            _made_with = (os.getpid(), *wanted)
        elif wanted not in ((None, True, {}), _made_with[1:]):
            raise ConfigError(
                f"the cache of this process already exists, with other arguments: {_cache!r}",
                hint="Call get_smart_cache() without arguments, or reset_smart_cache() first",
            )
        return _cache


def reset_smart_cache() -> SmartCacheEnhanced | None:
    """Remove and return the cache of this process; close it with ``await old.close()``."""
    global _cache
    with _lock:
        old, _cache = _cache, None
        return old
