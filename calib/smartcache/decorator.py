"""``@cache.cached(...)``: a function whose values are cached by its arguments."""

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
    """A function that `SmartCacheEnhanced.cached` made."""

    def __call__(self, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """The value for these arguments."""
        ...

    def key_for(self, *args: Any, **kwargs: Any) -> str:
        """The key of a call, to drop its value: ``await cache.invalidate(function.key_for(...))``."""
        ...


def cached_function(
    cache: SmartCacheEnhanced,
    function: Callable[..., Any],
    key: str | Callable[..., str] | None,
    context: Callable[..., Mapping[str, Any] | None] | None,
) -> CachedFunction:
    """The function, cached; it becomes a coroutine function, and returns the value alone.

    Parameters
    ----------
    cache
        Where its values go.
    function
        Plain or async. Calls with equal arguments share a value, however the arguments are written.
    key
        None: module, name and arguments; a template of the arguments (``"curve:{symbol}"``), each value escaped; or a
        function of the same arguments that returns the key.
    context
        Function of the same arguments that returns the context of the read.

    Raises
    ------
    calib.errors.BadCacheKey
        At the call, for an argument that a key cannot be made of: give ``key`` as a function.
    """
    signature = inspect.signature(function)

    def key_for(*args: Any, **kwargs: Any) -> str:
        if callable(key):
            return key(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        texts = {name: _spelled(name, value) for name, value in bound.arguments.items()}
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


def _spelled(name: str, value: object) -> str:
    """A value as a part of a key; 1, 1.0, True and "1" differ."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return value if not _looks_like_another(value) else repr(value)
    if isinstance(value, tuple | list):
        return f"({','.join(_spelled(name, item) for item in value)})"
    if isinstance(value, dict) and all(isinstance(item, str) for item in value):
        return f"{{{','.join(f'{item}={_spelled(name, value[item])}' for item in sorted(value))}}}"
    raise BadCacheKey(
        f"the argument {name} is a {type(value).__name__}, of which no key can be made",
        hint="Give cached() a function that returns the key",
    )


def _looks_like_another(text: str) -> bool:
    """Text that a number, a list or nothing would be spelled as."""
    if text in ("", "None", "True", "False") or text[0] in "'\"({" or "," in text or "=" in text:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
