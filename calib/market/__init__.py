"""The live book: exact prices, order book, sequence rules, the stream that builds it, the cache that serves it."""

from calib.market.backoff import Backoff
from calib.market.book import BookView, OrderBook
from calib.market.cache import MDCache
from calib.market.checksum import KrakenChecksum, OkxChecksum
from calib.market.config import MDCacheConfig
from calib.market.connection import Connection
from calib.market.entry import MDCacheEntry, MDCacheMeta
from calib.market.freshness import Source, Standing, UseCase
from calib.market.invalidation import MDCacheInvalidator
from calib.market.messages import (
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
from calib.market.ports import CacheMetrics, CachePolicy
from calib.market.sequence import RULES, Verdict
from calib.market.stream import BookStream, StreamSettings

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
    "Outcome",
    "Reason",
    "Resync",
    "Snapshot",
    "Source",
    "Standing",
    "StreamSettings",
    "StreamState",
    "UseCase",
    "Verdict",
]
