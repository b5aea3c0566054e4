"""``@cache.cached(...)``: caches a function's values by its arguments."""

from __future__ import annotations

import enum
import functools
import inspect
from typing import TYPE_CHECKING, Any, Protocol, cast

from calib.errors import BadCacheKey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from calib.smartcache.cache import SmartCacheEnhanced


class CachedFunction(Protocol):
    """A function decorated by `SmartCacheEnhanced.cached`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Return the value for these arguments."""
        ...

    def key_for(self, *args: Any, **kwargs: Any) -> str:
        """Return the key of a call, for example to drop it: ``await cache.invalidate(function.key_for(...))``."""
        ...


def cached_function(
    cache: SmartCacheEnhanced,
    function: Callable[..., Any],
    key: str | Callable[..., str] | None,
    context: Callable[..., Mapping[str, Any] | None] | None,
) -> CachedFunction:
    """Return a coroutine function that returns the function's cached value, without metadata.

    Parameters
    ----------
    cache
        The cache that stores its values.
    function
        Synchronous or async. Calls with equal arguments share a value, whether positional or by keyword.
    key
        None: module, name and arguments; a template of the arguments (``"curve:{symbol}"``), each value escaped; or a
        function of the same arguments that returns the key.
    context
        Function of the same arguments that returns the context of the read.

    Raises
    ------
    calib.errors.BadCacheKey
        At the call, for an argument type that a key cannot represent: give ``key`` as a function.
    """
    signature = inspect.signature(function)

    def key_for(*args: Any, **kwargs: Any) -> str:
        if callable(key):
            return key(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        texts = {name: _key_part(name, value) for name, value in bound.arguments.items()}
        if key is None:
            named = (f"{name}={text}" for name, text in texts.items())
            return cache.keys.make(function.__module__, function.__qualname__, *named)
        return cache.keys.make(*(part.format_map(texts) for part in key.split(":")))

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        read = context(*args, **kwargs) if context is not None else None
        result = await cache.get_with_intelligence(key_for(*args, **kwargs), lambda: function(*args, **kwargs), read)
        return result["value"]

    made = cast("CachedFunction", wrapper)
    made.key_for = key_for  # type: ignore[method-assign]  # an attribute of the function
    return made


def _key_part(name: str, value: object) -> str:
    """Return a value as a part of a key; 1, 1.0, True and "1" differ."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return repr(value) if _is_ambiguous(value) else value
    if isinstance(value, tuple | list):
        return f"({','.join(_key_part(name, item) for item in value)})"
    if isinstance(value, dict) and all(isinstance(item, str) for item in value):
        return f"{{{','.join(f'{item}={_key_part(name, value[item])}' for item in sorted(value))}}}"
    raise BadCacheKey(
        f"the argument {name} has type {type(value).__name__}, which a key cannot represent",
        hint="Give cached() a function that returns the key",
    )


def _is_ambiguous(text: str) -> bool:
    """Return whether a text could also be the key part of a number, a container or None."""
    if text in ("", "None", "True", "False") or text[0] in "'\"({" or "," in text or "=" in text:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
