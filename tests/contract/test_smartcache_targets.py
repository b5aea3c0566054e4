"""The alerts on SmartCache have the limits of its own table of targets."""

from __future__ import annotations

import re

from calib.metrics.prometheus.alerts import SMARTCACHE_ALERTS
from calib.smartcache.targets import TARGETS

ALERT_OF = {
    "fresh": ("CalibSmartCacheFreshLow", "<", 0.01),
    "hit": ("CalibSmartCacheHitLow", "<", 0.01),
    "caller_p95": ("CalibSmartCacheSlow", ">", 0.001),
    "stale": ("CalibSmartCacheStaleHigh", ">", 0.01),
    "compute": ("CalibSmartCacheComputeHigh", ">", 0.01),
    "bypass": ("CalibSmartCacheBypassHigh", ">", 0.01),
}


def test_each_target_has_an_alert_at_its_limit() -> None:
    exprs = {alert.name: alert.expr for alert in SMARTCACHE_ALERTS}
    for target in TARGETS:
        if target.name not in ALERT_OF:
            assert target.unit == "bool"
            continue
        name, relation, factor = ALERT_OF[target.name]
        limit = target.low if relation == "<" else target.high
        assert limit is not None
        assert re.search(rf" {relation} {limit * factor:g}\b", exprs[name]), name
