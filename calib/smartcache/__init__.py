"""SmartCache: a cache for expensive, permitted computations around scheduled events.

It prevents stampedes (XFetch, single flight, a fenced lock across processes), shortens TTLs near events (TTL zones),
bypasses the cache in volatile markets and invalidates by event; in memory or on Redis. The pure function `decide`
decides each read; the other modules do the I/O.
"""

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
