"""Splitting of names into words: ``_cachedBalances`` and ``CACHED_BALANCES`` have the same words."""

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
    """Return the words of a text, separated by spaces."""
    return frozenset(text.split())


@functools.lru_cache(maxsize=65_536)
def split(name: str) -> tuple[str, ...]:
    """Return the words of a name or a short text in lower case.

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
    """Return whether a name contains a word for a cache.

    >>> says_cache(split("cached_balance")), says_cache(split("balance"))
    (True, False)
    """
    return not CACHE_WORDS.isdisjoint(words)
