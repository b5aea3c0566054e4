"""The rules, alerts and dashboard, as Prometheus itself reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from calib.metrics.names import LIVE, TABLE
from calib.metrics.prometheus import (
    ALERTS,
    RecordingRule,
    alerts_text,
    dashboard,
    dashboard_expressions,
    dashboard_text,
    recording_rules,
    rule_file,
    rules_text,
)
from tests.metrics.alert_cases import CASES, Case
from tests.metrics.promtool import needs_promtool, promtool

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "prometheus"
_NAME = re.compile(r"\b(?:mm|calib)_[a-z0-9_]+")


def known_names() -> set[str]:
    names = {row.name for row in TABLE}
    histograms = [row.name for row in TABLE if row.kind == "histogram"]
    return names | {f"{name}{suffix}" for name in histograms for suffix in ("_bucket", "_sum", "_count")}


def names_in(expr: str) -> set[str]:
    return set(_NAME.findall(re.sub(r'"[^"]*"', '""', expr)))


@needs_promtool
@pytest.mark.parametrize(("name", "text"), [("rules", rules_text()), ("alerts", alerts_text())])
def test_promtool_accepts_the_file(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yml"
    path.write_text(text, "utf-8")
    checked = promtool("check", "rules", path)
    assert (checked.returncode, checked.stderr) == (0, "")


@needs_promtool
def test_promtool_accepts_the_server_s_configuration_of_the_how_to() -> None:
    checked = promtool("check", "config", HOW_TO / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"SUCCESS: {len(ALERTS)} rules found" in checked.stdout


@needs_promtool
def test_promtool_parses_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.yml"
    rules = [RecordingRule(f"dashboard:{number}", expr) for number, expr in enumerate(dashboard_expressions())]
    path.write_text(rule_file("dashboard", rules), "utf-8")
    checked = promtool("check", "rules", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


def test_every_name_in_rules_alerts_and_dashboard_is_in_the_table() -> None:
    known = known_names()
    used = [rule.expr for rule in recording_rules()] + [alert.expr for alert in ALERTS] + dashboard_expressions()
    for expr in used:
        assert names_in(expr) <= known, expr
    assert {rule.record for rule in recording_rules()} <= known


def test_alerts_and_dashboard_use_clean_names_alone() -> None:
    clean = {name for row in TABLE if row.clean for name in (row.name, f"{row.name}_bucket")}
    for expr in [alert.expr for alert in ALERTS] + dashboard_expressions():
        assert names_in(expr) <= clean, expr


def test_every_clean_family_of_a_bot_is_on_the_dashboard() -> None:
    shown = {name for expr in dashboard_expressions() for name in names_in(expr)}
    shown |= {name.removesuffix("_bucket") for name in shown}
    left_out = {row.name for row in LIVE if row.clean} - shown
    assert left_out == {
        # Shown as shares and by symbol from mm_md_cache_requests_total.
        "mm_md_cache_hit_total",
        "mm_md_cache_miss_total",
        "mm_md_cache_hit_ratio",
        "mm_md_cache_overall_hit_ratio",
        # Its histogram is shown.
        "mm_md_cache_refresh_latency_p95_seconds",
        # Labels to look up, and what an alert tells.
        "mm_ab_info",
        "mm_ab_gate_violated",
        "mm_smartcache_enabled",
        "mm_feed_lines_accepted_total",
        "mm_feed_lines_sampled_out_total",
        "mm_metrics_folded_symbols",
        "mm_metrics_source_errors_total",
    }


def test_every_panel_has_a_place_of_its_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert json.loads(dashboard_text()) == dashboard()


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(set(names)) == len(names)
    assert {case.alert for case in CASES if case.fires} == set(names)
    assert {case.alert for case in CASES if not case.fires} == set(names)


@needs_promtool
def test_alerts_fire_and_do_not_fire(tmp_path: Path) -> None:
    """One process of promtool; each file of cases sees its own alert alone, which is 24 times less to evaluate."""
    paths = []
    for alert in ALERTS:
        (tmp_path / f"{alert.name}.rules").write_text(rule_file("calib", [alert]), "utf-8")
        body = {
            "rule_files": [f"{alert.name}.rules"],
            "evaluation_interval": "1m",
            "tests": [_as_test(number, case) for number, case in enumerate(CASES) if case.alert == alert.name],
        }
        paths.append(tmp_path / f"{alert.name}.tests")
        paths[-1].write_text(json.dumps(body), "utf-8")  # JSON is YAML
    checked = promtool("test", "rules", *paths)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _as_test(number: int, case: Case) -> dict[str, object]:
    alert = next(alert for alert in ALERTS if alert.name == case.alert)
    base = {"severity": alert.severity} | ({"job": "bot", "instance": "mm-1:9108"} if case.bot else {})
    expected = [
        {
            "exp_labels": base | firing.labels,
            "exp_annotations": {"summary": firing.summary, "action": alert.action},
        }
        for firing in case.fires
    ]
    return {
        "name": f"{number} {case.alert} {'fires' if case.fires else 'stays quiet'}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}],
    }


@needs_promtool
def test_recording_rules_give_the_clean_series_of_a_seed_bot(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rules_text(), "utf-8")
    seed_bot, both = 'instance="seed"', 'instance="both"'
    series = {
        f'mm_symbol_queue_eta_ms{{{seed_bot},symbol="X"}}': "250x10",
        f'mm_symbol_queue_eta_ms{{{both},symbol="X"}}': "250x10",
        f'mm_symbol_queue_eta_seconds{{{both},symbol="X"}}': "0.25x10",
        f'mm_symbol_fills_taker{{{seed_bot},symbol="X"}}': "0+3x10",
        f'mm_md_cache_hit_total{{{seed_bot},symbol="X"}}': "0+9x10",
        f'mm_md_refresh_latency_ms_bucket{{{seed_bot},le="2.5"}}': "0+1x10",
        f'mm_md_refresh_latency_ms_bucket{{{seed_bot},le="35.0"}}': "0+2x10",
        f'mm_md_refresh_latency_ms_bucket{{{seed_bot},le="+Inf"}}': "0+3x10",
        f"mm_md_refresh_latency_ms_sum{{{seed_bot}}}": "0+100x10",
    }
    computed = f'{seed_bot},source="seed"'
    expected: dict[str, dict[str, float]] = {
        # The bot that exposes both sets has its own series and no computed one beside it.
        "mm_symbol_queue_eta_seconds": {f'{computed},symbol="X"': 0.25, f'{both},symbol="X"': 0.25},
        "mm_symbol_executions_total": {f'{computed},symbol="X",liquidity="taker"': 24},
        "mm_md_cache_requests_total": {f'{computed},symbol="X",result="hit"': 72},
        "mm_md_cache_refresh_duration_seconds_bucket": {
            f'{computed},le="0.0025"': 8,
            f'{computed},le="0.035"': 16,
            f'{computed},le="+Inf"': 24,
        },
        "mm_md_cache_refresh_duration_seconds_sum": {computed: 0.8},
    }
    tests = [
        {
            "expr": name,
            "eval_time": "8m",
            "exp_samples": [{"labels": f"{name}{{{labels}}}", "value": value} for labels, value in values.items()],
        }
        for name, values in expected.items()
    ]
    body = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": tests,
            }
        ],
    }
    (tmp_path / "tests.yml").write_text(json.dumps(body), "utf-8")
    checked = promtool("test", "rules", tmp_path / "tests.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
