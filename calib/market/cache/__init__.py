"""The market-data cache: reads by use case, refreshes, freshness, invalidation."""

from calib.market.cache.config import MDCacheConfig
from calib.market.cache.entry import MDCacheEntry, MDCacheMeta
from calib.market.cache.freshness import Source, TrustLevel, UseCase
from calib.market.cache.invalidation import MDCacheInvalidator
from calib.market.cache.md_cache import MDCache
from calib.market.cache.orderbook_manager import OrderbookManager
from calib.market.cache.protocols import CacheMetrics
from calib.policy import CachePolicy

__all__ = [
    "CacheMetrics",
    "CachePolicy",
    "MDCache",
    "MDCacheConfig",
    "MDCacheEntry",
    "MDCacheInvalidator",
    "MDCacheMeta",
    "OrderbookManager",
    "Source",
    "TrustLevel",
    "UseCase",
]
