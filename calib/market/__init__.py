"""The live order book: `book` (levels, exact prices), `stream` (builds a verified book), `cache` (serves it)."""

import warnings

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


def __getattr__(name: str) -> object:
    """Return a name of version 0.1 with a warning; removed in 0.3."""
    if name in _RENAMED:
        warnings.warn(f"calib.market.{name} is now {_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        return globals()[_RENAMED[name]]
    raise AttributeError(f"module 'calib.market' has no attribute {name!r}")
