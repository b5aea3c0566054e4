"""The caching policy: what may be cached, who watches, and what happens when it is violated."""

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
