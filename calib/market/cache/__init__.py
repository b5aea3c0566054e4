"""The market-data cache: reads by use case, refreshes, freshness, invalidation.

The names below are loaded on first use: the command line needs only the settings.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calib.market.cache.config import MDCacheConfig
    from calib.market.cache.entry import MDCacheEntry, MDCacheMeta
    from calib.market.cache.freshness import Source, TrustLevel, UseCase
    from calib.market.cache.invalidation import MDCacheInvalidator
    from calib.market.cache.md_cache import MDCache
    from calib.market.cache.orderbook_manager import OrderbookManager
    from calib.market.cache.protocols import CacheMetrics
    from calib.policy import CachePolicy

_HOME = {
    "CacheMetrics": "calib.market.cache.protocols",
    "CachePolicy": "calib.policy",
    "MDCache": "calib.market.cache.md_cache",
    "MDCacheConfig": "calib.market.cache.config",
    "MDCacheEntry": "calib.market.cache.entry",
    "MDCacheInvalidator": "calib.market.cache.invalidation",
    "MDCacheMeta": "calib.market.cache.entry",
    "OrderbookManager": "calib.market.cache.orderbook_manager",
    "Source": "calib.market.cache.freshness",
    "TrustLevel": "calib.market.cache.freshness",
    "UseCase": "calib.market.cache.freshness",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'calib.market.cache' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
