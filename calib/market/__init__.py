"""The live book: prices, order book, sequence rules, stream; and the cache with its safeguards."""

from calib.market.book import BookView, OrderBook
from calib.market.cache import MDCache
from calib.market.config import MDCacheConfig
from calib.market.connection import Connection
from calib.market.entry import MDCacheEntry, MDCacheMeta
from calib.market.freshness import Source, Standing, UseCase
from calib.market.invalidation import MDCacheInvalidator
from calib.market.messages import Delta, Snapshot, StreamState
from calib.market.ports import CacheMetrics, CachePolicy
from calib.market.stream import BookStream, StreamSettings

__all__ = [
    "BookStream",
    "BookView",
    "CacheMetrics",
    "CachePolicy",
    "Connection",
    "Delta",
    "MDCache",
    "MDCacheConfig",
    "MDCacheEntry",
    "MDCacheInvalidator",
    "MDCacheMeta",
    "OrderBook",
    "Snapshot",
    "Source",
    "Standing",
    "StreamSettings",
    "StreamState",
    "UseCase",
]
