"""Names as words: ``_cachedBalances`` and ``CACHED_BALANCES`` read alike."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final

_PARTS: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_JOINED: Final = {
    "orderbook": ("order", "book"),
    "orderbooks": ("order", "books"),
    "openorders": ("open", "orders"),
    "lastprice": ("last", "price"),
    "positionrisk": ("positions",),
    "userstate": ("user", "state"),
    "clearinghouse": ("clearing", "house"),
    "exchangeinfo": ("exchange", "info"),
    "accountinfo": ("account", "info"),
    "getbalance": ("get", "balance"),
    "getbalances": ("get", "balances"),
}
CACHE_WORDS: Final = frozenset({"cache", "caches", "cached", "caching", "memo", "memoize", "memoized", "memoise"})


def word_set(text: str) -> frozenset[str]:
    """The words of a text that are parted by spaces."""
    return frozenset(text.split())


@functools.lru_cache(maxsize=65_536)
def split(name: str) -> tuple[str, ...]:
    """The words of a name or a short text, lower case.

    >>> split("_getOpenOrders2")
    ('get', 'open', 'orders', '2')
    >>> split("OrderBookCache")
    ('order', 'book', 'cache')
    >>> split("account:{}:balance")
    ('account', 'balance')
    """
    found: list[str] = []
    for part in _PARTS.findall(name):
        lower = part.lower()
        found.extend(_JOINED.get(lower, (lower,)))
    return tuple(found)


def says_cache(words: Iterable[str]) -> bool:
    """Whether a name says that it is a cache.

    >>> says_cache(split("cached_balance")), says_cache(split("balance"))
    (True, False)
    """
    return not CACHE_WORDS.isdisjoint(words)
