"""SmartCache: a cache for expensive, permitted computations around scheduled events.

It prevents stampedes (XFetch, single flight, a fenced lock across processes), shortens TTLs near events (TTL zones),
bypasses the cache in volatile markets and invalidates by event; in memory or on Redis. The pure function `decide`
decides each read; the other modules do the I/O.

The names below are loaded on first use: the command line needs only the settings.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calib.smartcache.backends import Backend, MemoryBackend, RedisBackend, TwoLevelBackend
    from calib.smartcache.cache import SmartCacheEnhanced
    from calib.smartcache.catalogue import TagCatalogue, load_catalogue, read_catalogue
    from calib.smartcache.decide import DecisionSettings, Moment, ReadContext, ServeDecision, decide
    from calib.smartcache.entry import ANY_MARKET, CachedEntry, Tag
    from calib.smartcache.golden_hour import GoldenHour, Schedule, Zone, ZoneTtl, load_schedule, read_schedule
    from calib.smartcache.keys import KeyFactory
    from calib.smartcache.match_context import MatchContext, read_context
    from calib.smartcache.settings import SmartCacheSettings
    from calib.smartcache.shared import get_smart_cache, reset_smart_cache
    from calib.smartcache.tags import EventType, TagManager
    from calib.smartcache.targets import TARGETS, SmartCacheTarget
    from calib.smartcache.volatility import VIXCalculator, VIXConfig, VixReading, VixStatus

_HOME = {
    "ANY_MARKET": "calib.smartcache.entry",
    "Backend": "calib.smartcache.backends",
    "CachedEntry": "calib.smartcache.entry",
    "DecisionSettings": "calib.smartcache.decide",
    "EventType": "calib.smartcache.tags",
    "GoldenHour": "calib.smartcache.golden_hour",
    "KeyFactory": "calib.smartcache.keys",
    "MatchContext": "calib.smartcache.match_context",
    "MemoryBackend": "calib.smartcache.backends",
    "Moment": "calib.smartcache.decide",
    "ReadContext": "calib.smartcache.decide",
    "RedisBackend": "calib.smartcache.backends",
    "Schedule": "calib.smartcache.golden_hour",
    "ServeDecision": "calib.smartcache.decide",
    "SmartCacheEnhanced": "calib.smartcache.cache",
    "SmartCacheSettings": "calib.smartcache.settings",
    "SmartCacheTarget": "calib.smartcache.targets",
    "TARGETS": "calib.smartcache.targets",
    "Tag": "calib.smartcache.entry",
    "TagCatalogue": "calib.smartcache.catalogue",
    "TagManager": "calib.smartcache.tags",
    "TwoLevelBackend": "calib.smartcache.backends",
    "VIXCalculator": "calib.smartcache.volatility",
    "VIXConfig": "calib.smartcache.volatility",
    "VixReading": "calib.smartcache.volatility",
    "VixStatus": "calib.smartcache.volatility",
    "Zone": "calib.smartcache.golden_hour",
    "ZoneTtl": "calib.smartcache.golden_hour",
    "decide": "calib.smartcache.decide",
    "get_smart_cache": "calib.smartcache.shared",
    "load_catalogue": "calib.smartcache.catalogue",
    "load_schedule": "calib.smartcache.golden_hour",
    "read_catalogue": "calib.smartcache.catalogue",
    "read_context": "calib.smartcache.match_context",
    "read_schedule": "calib.smartcache.golden_hour",
    "reset_smart_cache": "calib.smartcache.shared",
}

__all__ = [
    "ANY_MARKET",
    "TARGETS",
    "Backend",
    "CachedEntry",
    "DecisionSettings",
    "EventType",
    "GoldenHour",
    "KeyFactory",
    "MatchContext",
    "MemoryBackend",
    "Moment",
    "ReadContext",
    "RedisBackend",
    "Schedule",
    "ServeDecision",
    "SmartCacheEnhanced",
    "SmartCacheSettings",
    "SmartCacheTarget",
    "Tag",
    "TagCatalogue",
    "TagManager",
    "TwoLevelBackend",
    "VIXCalculator",
    "VIXConfig",
    "VixReading",
    "VixStatus",
    "Zone",
    "ZoneTtl",
    "decide",
    "get_smart_cache",
    "load_catalogue",
    "load_schedule",
    "read_catalogue",
    "read_context",
    "read_schedule",
    "reset_smart_cache",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'calib.smartcache' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Room(ModuleType):
    """The package: a function that has the name of its module is the function, whenever the module is loaded."""

    @property
    def decide(self) -> Any:
        return importlib.import_module("calib.smartcache.decide").decide

    @decide.setter
    def decide(self, _: Any) -> None:
        """What the import of the module would put here."""


sys.modules[__name__].__class__ = _Room
