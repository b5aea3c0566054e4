"""Files for Prometheus and Grafana: recording rules, alert rules, a dashboard."""

from calib.metrics.prometheus.alerts import ALERTS, alerts_text
from calib.metrics.prometheus.dashboard import dashboard, dashboard_expressions, dashboard_text
from calib.metrics.prometheus.recording import recording_rules, rules_text
from calib.metrics.prometheus.rule import AlertRule, RecordingRule, rule_file

__all__ = [
    "ALERTS",
    "AlertRule",
    "RecordingRule",
    "alerts_text",
    "dashboard",
    "dashboard_expressions",
    "dashboard_text",
    "recording_rules",
    "rule_file",
    "rules_text",
]
