"""Names of keys: ``monps:{env}:{version}:part:part``, with escaped parts so that keys are unambiguous."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from calib.errors import BadCacheKey

if TYPE_CHECKING:
    from calib.smartcache.entry import Tag

_SAFE: Final = "@+=,"  # besides letters, digits and _.-~; ':' and '!' must be escaped, the key format uses them
MAX_KEY_CHARS: Final = 1024
_MOST_TAGS: Final = 6


class KeyFactory:
    """Makes the keys of one environment and version.

    Parameters
    ----------
    env, version
        As in `calib.smartcache.SmartCacheSettings`.

    >>> keys = KeyFactory("prod", "v1")
    >>> keys.make("match", "ARS:CHE", "1x2")
    'monps:prod:v1:match:ARS%3ACHE:1x2'
    >>> keys.parts("monps:prod:v1:match:ARS%3ACHE:1x2")
    ('match', 'ARS:CHE', '1x2')
    >>> keys.entry("my own key"), keys.entry(keys.make("a"))
    ('monps:prod:v1:my%20own%20key', 'monps:prod:v1:a')
    """

    __slots__ = ("all_generation", "fence", "prefix")

    def __init__(self, env: str = "prod", version: str = "v1") -> None:
        self.prefix = f"monps:{_escaped(env)}:{_escaped(version)}:"
        self.fence = f"{self.prefix}!fence"
        self.all_generation = f"{self.prefix}!gen"

    def make(self, *parts: object) -> str:
        """Return a key of these parts, each escaped.

        Raises
        ------
        calib.errors.BadCacheKey
            If there are no parts, a part is empty, or the key is longer than 1024 characters.
        """
        texts = [str(part) for part in parts]
        if not texts or not all(texts):
            raise BadCacheKey("a key needs at least one part, and no part may be empty", hint="Name what is cached")
        return checked_key(self.prefix + ":".join(map(_escaped, texts)))

    def parts(self, key: str) -> tuple[str, ...]:
        """Return the parts of a key made by `make`; any other key is split at colons and unescaped."""
        return tuple(unquote(part) for part in key.removeprefix(self.prefix).split(":"))

    def entry(self, cache_key: str) -> str:
        """Return the Redis key of a value: a key made by `make` unchanged, any other escaped as one part."""
        return cache_key if cache_key.startswith(self.prefix) else self.prefix + _escaped(cache_key)

    def lock(self, cache_key: str) -> str:
        """Return the key of its lock; no escaped key can equal it."""
        return f"{self.entry(cache_key)}:!lock"

    def generation(self, cache_key: str) -> str:
        """Return the key of its generation, which changes when the key is deleted."""
        return f"{self.entry(cache_key)}:!gen"

    def tag_index(self, tag: Tag) -> str:
        """Return the key of the set of keys with the tag."""
        return f"{self.prefix}!tag:{_escaped(tag.match_key)}:{_escaped(tag.market)}"

    def tag_generation(self, tag: Tag) -> str:
        """Return the key of the tag's generation, which changes when the tag is invalidated."""
        return f"{self.prefix}!gen:{_escaped(tag.match_key)}:{_escaped(tag.market)}"

    def match_and_market(self, cache_key: str) -> tuple[tuple[str, ...], str]:
        """Return the possible match keys and the market of a key: the last part is the market, the match precedes it.

        The number of parts of the match is unknown, so every possibility is returned, at most six.

        >>> KeyFactory().match_and_market("football:ARS-CHE:over_2_5")
        (('ARS-CHE', 'football:ARS-CHE'), 'over_2_5')
        """
        parts = self.parts(cache_key)
        before = parts[:-1]
        matches = tuple(":".join(before[start:]) for start in range(len(before) - 1, -1, -1))
        return matches[:_MOST_TAGS], parts[-1]


def checked_key(key: object) -> str:
    """Return the key if it is text of 1 to 1024 characters.

    Raises
    ------
    calib.errors.BadCacheKey
        If it is not.
    """
    if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY_CHARS:
        shown = f"text of {len(key)} characters" if isinstance(key, str) else repr(key)[:80]
        raise BadCacheKey(f"{shown} is not a valid cache key", hint=f"Give text of 1 to {MAX_KEY_CHARS} characters")
    return key


@lru_cache(maxsize=4096)
def _escaped(part: str) -> str:
    return quote(part, safe=_SAFE, errors="surrogatepass")
