"""Names of keys: ``monps:{env}:{version}:part:part``, with escaping, so that no part can be taken for two."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from calib.errors import BadCacheKey

if TYPE_CHECKING:
    from calib.smartcache.entry import Tag

_SAFE: Final = "@+=,"  # quote() keeps letters, digits and _.-~ as they are; ':' and '!' are ours
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
        """A key of these parts, each escaped.

        Raises
        ------
        calib.errors.BadCacheKey
            Without parts, for an empty part, and above 1024 characters.
        """
        texts = [str(part) for part in parts]
        if not texts or not all(texts):
            raise BadCacheKey("a key needs at least one part, and no part may be empty", hint="Name what is cached")
        return checked_key(self.prefix + ":".join(map(_escaped, texts)))

    def parts(self, key: str) -> tuple[str, ...]:
        """The parts of a key that `make` made; of any other key its pieces between colons, unescaped."""
        return tuple(unquote(part) for part in key.removeprefix(self.prefix).split(":"))

    def entry(self, cache_key: str) -> str:
        """The key under which a value lies on Redis: one that `make` made as it is, any other escaped as one part."""
        return cache_key if cache_key.startswith(self.prefix) else self.prefix + _escaped(cache_key)

    def lock(self, cache_key: str) -> str:
        """Its lock; no escaped key can be equal to it."""
        return f"{self.entry(cache_key)}:!lock"

    def generation(self, cache_key: str) -> str:
        """Changes when the key is dropped by name."""
        return f"{self.entry(cache_key)}:!gen"

    def tag_index(self, tag: Tag) -> str:
        """The set of keys that carry the tag."""
        return f"{self.prefix}!tag:{_escaped(tag.match_key)}:{_escaped(tag.market)}"

    def tag_generation(self, tag: Tag) -> str:
        """Changes when the tag is invalidated."""
        return f"{self.prefix}!gen:{_escaped(tag.match_key)}:{_escaped(tag.market)}"

    def match_and_market(self, cache_key: str) -> tuple[tuple[str, ...], str]:
        """What a key says of its match and market: the last part is the market, what is before it names the match.

        How many parts belong to the match cannot be told, so each possibility is given, at most six.

        >>> KeyFactory().match_and_market("football:ARS-CHE:over_2_5")
        (('ARS-CHE', 'football:ARS-CHE'), 'over_2_5')
        """
        parts = self.parts(cache_key)
        before = parts[:-1]
        matches = tuple(":".join(before[start:]) for start in range(len(before) - 1, -1, -1))
        return matches[:_MOST_TAGS], parts[-1]


def checked_key(key: object) -> str:
    """The key, if it is text of 1 to 1024 characters.

    Raises
    ------
    calib.errors.BadCacheKey
        Otherwise.
    """
    if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY_CHARS:
        shown = f"text of {len(key)} characters" if isinstance(key, str) else repr(key)[:80]
        raise BadCacheKey(f"{shown} is not a valid cache key", hint=f"Give text of 1 to {MAX_KEY_CHARS} characters")
    return key


@lru_cache(maxsize=4096)
def _escaped(part: str) -> str:
    return quote(part, safe=_SAFE, errors="surrogatepass")
