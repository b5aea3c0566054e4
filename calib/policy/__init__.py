"""The caching policy: which data may be cached, monitoring of caches, and the response to violations.

The names below are loaded on first use: the command line needs only the settings.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calib.policy.audit import PolicyAudit
    from calib.policy.connection import ConnectionHealth, ConnectionState
    from calib.policy.data_types import DATA_TYPES, ORDER_BOOK, ORDER_BOOK_LIMIT_MS, CacheClass, DataType, lookup
    from calib.policy.default import Unmonitored, default_monitor, set_default_monitor
    from calib.policy.emergency import EmergencyOutcome, EmergencyResponse, FakeTradingEngine, Phase, TradingEngine
    from calib.policy.fresh_exchange import FreshExchange, FreshExchangeClient
    from calib.policy.monitor import SEVERITY, CacheComplianceMonitor, CacheReport, Registration
    from calib.policy.protocols import CacheCounts, CachePolicy, CacheRegistration, MonitoredCache, ViolationHandler
    from calib.policy.questions import QUESTIONS, CacheAnswer, may_cache
    from calib.policy.safety import SafetyCheck
    from calib.policy.settings import PolicySettings
    from calib.policy.staleness import StalenessDetector
    from calib.policy.static import CachedValue, StaticDataCache, SymbolMapper

_HOME = {
    "DATA_TYPES": "calib.policy.data_types",
    "ORDER_BOOK": "calib.policy.data_types",
    "ORDER_BOOK_LIMIT_MS": "calib.policy.data_types",
    "QUESTIONS": "calib.policy.questions",
    "SEVERITY": "calib.policy.monitor",
    "CacheAnswer": "calib.policy.questions",
    "CacheClass": "calib.policy.data_types",
    "CacheComplianceMonitor": "calib.policy.monitor",
    "CacheCounts": "calib.policy.protocols",
    "CachePolicy": "calib.policy.protocols",
    "CacheRegistration": "calib.policy.protocols",
    "CacheReport": "calib.policy.monitor",
    "CachedValue": "calib.policy.static",
    "ConnectionHealth": "calib.policy.connection",
    "ConnectionState": "calib.policy.connection",
    "DataType": "calib.policy.data_types",
    "EmergencyOutcome": "calib.policy.emergency",
    "EmergencyResponse": "calib.policy.emergency",
    "FakeTradingEngine": "calib.policy.emergency",
    "FreshExchange": "calib.policy.fresh_exchange",
    "FreshExchangeClient": "calib.policy.fresh_exchange",
    "MonitoredCache": "calib.policy.protocols",
    "Phase": "calib.policy.emergency",
    "PolicyAudit": "calib.policy.audit",
    "PolicySettings": "calib.policy.settings",
    "Registration": "calib.policy.monitor",
    "SafetyCheck": "calib.policy.safety",
    "StalenessDetector": "calib.policy.staleness",
    "StaticDataCache": "calib.policy.static",
    "SymbolMapper": "calib.policy.static",
    "TradingEngine": "calib.policy.emergency",
    "Unmonitored": "calib.policy.default",
    "ViolationHandler": "calib.policy.protocols",
    "default_monitor": "calib.policy.default",
    "lookup": "calib.policy.data_types",
    "may_cache": "calib.policy.questions",
    "set_default_monitor": "calib.policy.default",
}

__all__ = [
    "DATA_TYPES",
    "ORDER_BOOK",
    "ORDER_BOOK_LIMIT_MS",
    "QUESTIONS",
    "SEVERITY",
    "CacheAnswer",
    "CacheClass",
    "CacheComplianceMonitor",
    "CacheCounts",
    "CachePolicy",
    "CacheRegistration",
    "CacheReport",
    "CachedValue",
    "ConnectionHealth",
    "ConnectionState",
    "DataType",
    "EmergencyOutcome",
    "EmergencyResponse",
    "FakeTradingEngine",
    "FreshExchange",
    "FreshExchangeClient",
    "MonitoredCache",
    "Phase",
    "PolicyAudit",
    "PolicySettings",
    "Registration",
    "SafetyCheck",
    "StalenessDetector",
    "StaticDataCache",
    "SymbolMapper",
    "TradingEngine",
    "Unmonitored",
    "ViolationHandler",
    "default_monitor",
    "lookup",
    "may_cache",
    "set_default_monitor",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'calib.policy' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
