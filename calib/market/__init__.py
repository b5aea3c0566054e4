"""The live order book: `book` (levels, exact prices), `stream` (builds a verified book), `cache` (serves it).

The names below are loaded on first use: the command line needs only the settings.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calib.market.book.order_book import BookView, OrderBook
    from calib.market.cache.config import MDCacheConfig
    from calib.market.cache.entry import MDCacheEntry, MDCacheMeta
    from calib.market.cache.freshness import Source, TrustLevel, UseCase
    from calib.market.cache.invalidation import MDCacheInvalidator
    from calib.market.cache.md_cache import MDCache
    from calib.market.cache.orderbook_manager import OrderbookManager
    from calib.market.cache.protocols import CacheMetrics
    from calib.market.stream.backoff import Backoff
    from calib.market.stream.book_stream import BookStream
    from calib.market.stream.checksum import KrakenChecksum, OkxChecksum
    from calib.market.stream.connection import Connection
    from calib.market.stream.messages import (
        Action,
        Delta,
        Failed,
        Invalidated,
        Outcome,
        Reason,
        Resync,
        Snapshot,
        StreamState,
    )
    from calib.market.stream.sequence import RULES, SequenceVerdict
    from calib.market.stream.settings import StreamSettings
    from calib.policy import CachePolicy

_HOME = {
    "Action": "calib.market.stream.messages",
    "Backoff": "calib.market.stream.backoff",
    "BookStream": "calib.market.stream.book_stream",
    "BookView": "calib.market.book.order_book",
    "CacheMetrics": "calib.market.cache.protocols",
    "CachePolicy": "calib.policy",
    "Connection": "calib.market.stream.connection",
    "Delta": "calib.market.stream.messages",
    "Failed": "calib.market.stream.messages",
    "Invalidated": "calib.market.stream.messages",
    "KrakenChecksum": "calib.market.stream.checksum",
    "MDCache": "calib.market.cache.md_cache",
    "MDCacheConfig": "calib.market.cache.config",
    "MDCacheEntry": "calib.market.cache.entry",
    "MDCacheInvalidator": "calib.market.cache.invalidation",
    "MDCacheMeta": "calib.market.cache.entry",
    "OkxChecksum": "calib.market.stream.checksum",
    "OrderBook": "calib.market.book.order_book",
    "OrderbookManager": "calib.market.cache.orderbook_manager",
    "Outcome": "calib.market.stream.messages",
    "RULES": "calib.market.stream.sequence",
    "Reason": "calib.market.stream.messages",
    "Resync": "calib.market.stream.messages",
    "SequenceVerdict": "calib.market.stream.sequence",
    "Snapshot": "calib.market.stream.messages",
    "Source": "calib.market.cache.freshness",
    "StreamSettings": "calib.market.stream.settings",
    "StreamState": "calib.market.stream.messages",
    "TrustLevel": "calib.market.cache.freshness",
    "UseCase": "calib.market.cache.freshness",
}

__all__ = [
    "RULES",
    "Action",
    "Backoff",
    "BookStream",
    "BookView",
    "CacheMetrics",
    "CachePolicy",
    "Connection",
    "Delta",
    "Failed",
    "Invalidated",
    "KrakenChecksum",
    "MDCache",
    "MDCacheConfig",
    "MDCacheEntry",
    "MDCacheInvalidator",
    "MDCacheMeta",
    "OkxChecksum",
    "OrderBook",
    "OrderbookManager",
    "Outcome",
    "Reason",
    "Resync",
    "SequenceVerdict",
    "Snapshot",
    "Source",
    "StreamSettings",
    "StreamState",
    "TrustLevel",
    "UseCase",
]

_RENAMED = {"Standing": "TrustLevel", "Verdict": "SequenceVerdict"}


def __getattr__(name: str) -> Any:
    if name in _RENAMED:  # the names of 0.1, until 0.3
        warnings.warn(f"calib.market.{name} is now {_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        return __getattr__(_RENAMED[name])
    if name not in _HOME:
        raise AttributeError(f"module 'calib.market' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
