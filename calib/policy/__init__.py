"""The caching policy: what may be cached, who watches, and what happens when it is violated."""

from calib.policy.audit import PolicyAudit
from calib.policy.data_types import DATA_TYPES, ORDER_BOOK, ORDER_BOOK_LIMIT_MS, CacheClass, DataType, lookup
from calib.policy.default import Unmonitored, default_monitor, set_default_monitor
from calib.policy.monitor import SEVERITY, CacheComplianceMonitor, CacheReport, Registration
from calib.policy.protocols import CacheCounts, CachePolicy, CacheRegistration, MonitoredCache, ViolationHandler

__all__ = [
    "DATA_TYPES",
    "ORDER_BOOK",
    "ORDER_BOOK_LIMIT_MS",
    "SEVERITY",
    "CacheClass",
    "CacheComplianceMonitor",
    "CacheCounts",
    "CachePolicy",
    "CacheRegistration",
    "CacheReport",
    "DataType",
    "MonitoredCache",
    "PolicyAudit",
    "Registration",
    "Unmonitored",
    "ViolationHandler",
    "default_monitor",
    "lookup",
    "set_default_monitor",
]
