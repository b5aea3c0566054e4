"""The Grafana dashboard, built from rows of panels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

_JOB: Final = 'job=~"$job",instance=~"$instance"'
_SYMBOL: Final = f'{_JOB},symbol=~"$symbol"'
_WIDTH: Final = 24
_HEIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel: PromQL, and the legend of its series."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Parameters
    ----------
    title, description
        Title and explanation.
    unit
        Unit of its axis, in Grafana's names.
    queries
        The series.
    kind
        ``timeseries`` or ``stat``.
    width
        Width, of 24 columns.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    width: int = 8


def _rate(name: str, selector: str, by: str) -> str:
    return f"sum by ({by}) (rate({name}{{{selector}}}[$__rate_interval]))"


def _p(q: float, name: str, selector: str, by: str = "") -> str:
    grouped = f"le, {by}" if by else "le"
    return f"histogram_quantile({q:g}, {_rate(f'{name}_bucket', selector, grouped)})"


def _share(part: str, whole: str) -> str:
    return f"{part} / {whole}"


def _symbol(title: str, description: str, unit: str, name: str) -> Panel:
    """A panel with a gauge of each symbol."""
    return Panel(title, description, unit, (Query(f"{name}{{{_SYMBOL}}}", "{{symbol}}"),))


_REQUESTS: Final = "mm_md_cache_requests_total"
_HIT: Final = f'{_SYMBOL},result="hit"'

ROWS: Final[tuple[tuple[str, tuple[Panel, ...]], ...]] = (
    (
        "At a glance",
        (
            Panel(
                "Hit ratio",
                "Share of reads answered from the cache over the last five minutes; below 0.7 warns, below 0.5 pages.",
                "percentunit",
                (
                    Query(
                        _share(f"sum(rate({_REQUESTS}{{{_HIT}}}[5m]))", f"sum(rate({_REQUESTS}{{{_SYMBOL}}}[5m]))"), ""
                    ),
                ),
                "stat",
                4,
            ),
            Panel(
                "Deadline misses",
                "Share of ticks past their deadline; above 2 % warns.",
                "percentunit",
                (
                    Query(
                        _share(
                            f"sum(rate(mm_pipeline_deadline_misses_total{{{_JOB}}}[5m]))",
                            f"sum(rate(mm_pipeline_ticks_total{{{_JOB}}}[5m]))",
                        ),
                        "",
                    ),
                ),
                "stat",
                4,
            ),
            Panel(
                "Books not live",
                "Symbols whose stream is not live.",
                "none",
                (Query(f'count(mm_md_stream_state{{{_SYMBOL},state="live"}} == 0) or vector(0)', ""),),
                "stat",
                4,
            ),
            Panel(
                "Rolled back",
                "AB experiments and canaries whose rollback is latched.",
                "none",
                (
                    Query(
                        # `or vector(0)`: a sum with a missing operand has no result, and would hide the other.
                        f"(sum(mm_ab_rolled_back{{{_JOB}}}) or vector(0)) + "
                        f"(sum(mm_canary_rolled_back{{{_JOB}}}) or vector(0))",
                        "",
                    ),
                ),
                "stat",
                4,
            ),
            Panel(
                "Policy violations",
                "Attempts to cache prohibited data since the start; any violation pages.",
                "none",
                (Query(f"sum(mm_cache_policy_violations_total{{{_JOB}}}) or vector(0)", ""),),
                "stat",
                4,
            ),
            Panel(
                "Lines lost",
                "Feed lines lost or dropped since the start.",
                "none",
                (
                    Query(
                        f"(sum(mm_feed_lines_lost_total{{{_JOB}}}) or vector(0)) + "
                        f"(sum(mm_feed_lines_dropped_total{{{_JOB}}}) or vector(0))",
                        "",
                    ),
                ),
                "stat",
                4,
            ),
        ),
    ),
    (
        "Market-data cache",
        (
            Panel(
                "Reads by result",
                "Reads per second of the chosen symbols.",
                "reqps",
                (Query(_rate(_REQUESTS, _SYMBOL, "result"), "{{result}}"),),
            ),
            Panel(
                "Hit ratio by symbol",
                "Hits divided by reads.",
                "percentunit",
                (Query(_share(_rate(_REQUESTS, _HIT, "symbol"), _rate(_REQUESTS, _SYMBOL, "symbol")), "{{symbol}}"),),
            ),
            _symbol("Age of the cached book", "As measured by the cache.", "s", "mm_md_cache_age_seconds"),
            Panel(
                "Refresh duration",
                "Successful refreshes.",
                "s",
                (
                    Query(_p(0.5, "mm_md_cache_refresh_duration_seconds", _JOB), "p50"),
                    Query(_p(0.95, "mm_md_cache_refresh_duration_seconds", _JOB), "p95"),
                    Query(_p(0.99, "mm_md_cache_refresh_duration_seconds", _JOB), "p99"),
                ),
            ),
            Panel(
                "Books and refreshes",
                "Cached books, refreshes in progress, and failed refreshes per second.",
                "none",
                (
                    Query(f"sum(mm_md_cache_size{{{_JOB}}})", "books"),
                    Query(f"sum(mm_md_cache_inflight_refreshes{{{_JOB}}})", "refreshes in progress"),
                    Query(_rate("mm_md_cache_refresh_failures_total", _JOB, "job"), "failures per second"),
                ),
            ),
            Panel(
                "Invalidations and evictions",
                "Per second, by reason.",
                "ops",
                (
                    Query(_rate("mm_md_cache_invalidate_total", _JOB, "reason"), "{{reason}}"),
                    Query(_rate("mm_md_cache_evictions_total", _JOB, "job"), "evicted"),
                ),
            ),
            Panel(
                "Stale books used",
                "Share of ticks, by reason; above 5 % warns.",
                "percentunit",
                (
                    Query(
                        f"{_rate('mm_pricing_on_stale_total', _JOB, 'reason')} / ignoring (reason) group_left () "
                        f"sum(rate(mm_pipeline_ticks_total{{{_JOB}}}[$__rate_interval]))",
                        "{{reason}}",
                    ),
                ),
            ),
            Panel(
                "Depth misses",
                "Reads per second that requested more levels than were cached.",
                "ops",
                (
                    Query(
                        _rate("mm_md_cache_depth_miss_total", _JOB, "requested, have"),
                        "{{requested}} of {{have}} cached",
                    ),
                ),
            ),
        ),
    ),
    (
        "Streams and connections",
        (
            Panel(
                "Streams by state",
                "Number of symbols per state.",
                "none",
                (Query(f"sum by (state) (mm_md_stream_state{{{_SYMBOL}}})", "{{state}}"),),
            ),
            Panel(
                "Last frame of a connection",
                "Above 10 s pages.",
                "s",
                (Query(f"mm_md_connection_age_seconds{{{_JOB}}}", "{{connection}}"),),
            ),
            Panel(
                "Connections by state",
                "Number of connections that are up, silent, or down.",
                "none",
                (Query(f"sum by (state) (mm_md_connection_state{{{_JOB}}})", "{{state}}"),),
            ),
            Panel(
                "Silences, gaps, reconnects",
                "Per second, over all connections.",
                "ops",
                tuple(
                    Query(_rate(f"mm_md_connection_{what}_total", _JOB, "connection"), f"{what} {{{{connection}}}}")
                    for what in ("silences", "gaps", "reconnects")
                ),
            ),
            _symbol(
                "Last change of the book",
                "Also large in a quiet market; above 300 s warns.",
                "s",
                "mm_md_stream_book_age_seconds",
            ),
        ),
    ),
    (
        "Pipeline",
        (
            Panel(
                "Tick duration",
                "Over all symbols.",
                "s",
                tuple(
                    Query(_p(q, "mm_pipeline_tick_duration_seconds", _JOB), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)
                ),
            ),
            Panel(
                "Tick duration p95 by symbol",
                "From each symbol's histogram.",
                "s",
                (Query(_p(0.95, "mm_symbol_tick_duration_seconds", _SYMBOL, "symbol"), "{{symbol}}"),),
            ),
            Panel(
                "Stages p95",
                "Rolling 95th percentile of each stage.",
                "s",
                (Query(f"max by (stage) (mm_pipeline_stage_latency_p95_seconds{{{_JOB}}})", "{{stage}}"),),
            ),
            Panel(
                "Ticks and errors",
                "Per second.",
                "ops",
                (
                    Query(_rate("mm_pipeline_ticks_total", _JOB, "job"), "ticks"),
                    Query(_rate("mm_pipeline_deadline_misses_total", _JOB, "job"), "deadline misses"),
                    Query(_rate("mm_pipeline_stage_errors_total", _JOB, "stage"), "errors in {{stage}}"),
                ),
            ),
            Panel(
                "Shadow reads",
                "Per second, and those whose best prices differ.",
                "ops",
                (
                    Query(_rate("mm_pipeline_shadow_reads_total", _JOB, "job"), "reads"),
                    Query(_rate("mm_pipeline_shadow_disagreements_total", _JOB, "job"), "disagree"),
                ),
            ),
        ),
    ),
    (
        "Symbols",
        (
            _symbol("Net gain", "Positive is good; bps.", "none", "mm_symbol_net_bps"),
            _symbol("Score", "Expected gain of a quote; bps.", "none", "mm_symbol_score_bps"),
            _symbol("Gain against the target", "bps.", "none", "mm_symbol_pnl_deviation_bps"),
            _symbol("Slippage", "Positive is bad; bps.", "none", "mm_symbol_slippage_bps"),
            _symbol("Adverse move", "Positive is bad; bps.", "none", "mm_symbol_adverse_move_bps"),
            _symbol("Fills per quote", "Decaying per quote.", "percentunit", "mm_symbol_fill_ratio"),
            _symbol("Taker share", "Share of our fills.", "percentunit", "mm_symbol_taker_ratio"),
            _symbol("Volatility", "bps per square root of a second.", "none", "mm_symbol_realized_volatility_bps"),
            _symbol("Depth at the top", "Base units.", "none", "mm_symbol_top_depth_qty"),
            _symbol("Time through the queue", "Expected.", "s", "mm_symbol_queue_eta_seconds"),
            _symbol("Queue consumed", "Base units per second.", "none", "mm_symbol_queue_absorb_per_second"),
            Panel(
                "Fills",
                "Per second, by liquidity.",
                "ops",
                (Query(_rate("mm_symbol_executions_total", _SYMBOL, "liquidity"), "{{liquidity}}"),),
            ),
            Panel(
                "Ticks by symbol",
                "Per second.",
                "ops",
                (Query(_rate("mm_symbol_ticks_total", _SYMBOL, "symbol"), "{{symbol}}"),),
            ),
        ),
    ),
    (
        "Experiments and canary",
        (
            Panel(
                "Gates violated",
                "How long each gate has been violated.",
                "s",
                (Query(f"mm_ab_gate_violation_age_seconds{{{_JOB}}}", "{{gate}}"),),
            ),
            Panel(
                "Rollbacks by gate",
                "Since the start of the bot.",
                "none",
                (Query(f"sum by (gate) (mm_ab_rollbacks_total{{{_JOB}}})", "{{gate}}"),),
            ),
            Panel(
                "Last evaluation",
                "Time since the last evaluation.",
                "s",
                (Query(f"time() - mm_ab_last_evaluation_timestamp_seconds{{{_JOB}}}", "{{instance}}"),),
            ),
            Panel(
                "Canary",
                "Step of the schedule (-1 is the shadow phase), and symbols that use the cache.",
                "none",
                (
                    Query(f"mm_canary_step{{{_JOB}}}", "step of {{instance}}"),
                    Query(f"mm_canary_symbols{{{_JOB}}}", "symbols of {{instance}}"),
                ),
            ),
        ),
    ),
    (
        "SmartCache",
        (
            Panel(
                "Reads by strategy",
                "Share of reads. Targets of the first day: fresh at least 90 %, stale 5 to 10 %, compute 3 to 5 %, "
                "bypass below 2 %.",
                "percentunit",
                (
                    Query(
                        f"{_rate('mm_smartcache_reads_total', _JOB, 'strategy')} / ignoring (strategy) group_left () "
                        f"sum(rate(mm_smartcache_reads_total{{{_JOB}}}[$__rate_interval]))",
                        "{{strategy}}",
                    ),
                ),
            ),
            Panel(
                "How long callers wait",
                "The target of p95 is below 100 ms.",
                "s",
                tuple(
                    Query(_p(q, "mm_smartcache_wait_duration_seconds", _JOB), f"p{q * 100:g}")
                    for q in (0.5, 0.95, 0.99)
                ),
            ),
            Panel(
                "Back end",
                "1 if it responds.",
                "none",
                (Query(f"mm_smartcache_connected{{{_JOB}}}", "{{instance}}"),),
            ),
        ),
    ),
    (
        "Loggers and nightly jobs",
        (
            Panel(
                "Lines written",
                "Per second, by feed.",
                "ops",
                (Query(_rate("mm_feed_lines_written_total", _JOB, "feed"), "{{feed}}"),),
            ),
            Panel(
                "Lines lost, dropped, refused",
                "Per second, by feed.",
                "ops",
                tuple(
                    Query(_rate(f"mm_feed_lines_{outcome}_total", _JOB, "feed"), f"{outcome} {{{{feed}}}}")
                    for outcome in ("lost", "dropped", "refused")
                ),
            ),
            Panel(
                "Age of the last success",
                "Of each nightly command; above 25 h warns.",
                "s",
                (
                    Query(
                        'time() - label_replace({__name__=~"calib_.+_last_success_timestamp_seconds"}, '
                        '"command", "$1", "__name__", "calib_(.+)_last_success_timestamp_seconds")',
                        "{{command}}",
                    ),
                ),
            ),
            Panel(
                "Kept and covered",
                "Share of the last dataset's intervals that passed the filters, and share of its range with data.",
                "percentunit",
                (
                    Query("calib_aggregate_kept_ratio", "kept"),
                    Query("calib_aggregate_coverage_ratio", "covered"),
                ),
            ),
            Panel(
                "Rejected rows",
                "Of the last dataset, by reason.",
                "none",
                (Query("calib_aggregate_rows_rejected", "{{reason}}"),),
            ),
        ),
    ),
)
"""The panels, by row."""


def dashboard() -> dict[str, Any]:
    """The dashboard in the import format of Grafana 9 and later; the import asks for a Prometheus data source."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        panels.append(_placed({"type": "row", "title": title, "collapsed": False, "panels": []}, 0, top, _WIDTH, 1))
        left, top = 0, top + 1
        for panel in row:
            height = _HEIGHT // 2 if panel.kind == "stat" else _HEIGHT
            if left + panel.width > _WIDTH:
                left, top = 0, top + height
            panels.append(_placed(_panel(panel), left, top, panel.width, height))
            left += panel.width
        top += _HEIGHT // 2 if row[-1].kind == "stat" else _HEIGHT
    for number, made in enumerate(panels, start=1):
        made["id"] = number
    return {
        "uid": "calib",
        "title": "calib",
        "description": "A market-making bot's cache, streams, ticks, symbols, experiments, and nightly jobs.",
        "tags": ["calib"],
        "schemaVersion": 37,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": panels,
    }


def dashboard_text() -> str:
    """The dashboard as a JSON file."""
    return json.dumps(dashboard(), indent=2) + "\n"


def dashboard_expressions() -> list[str]:
    """Every expression, with Grafana's variables replaced by values, for promtool."""
    found = [query.expr for _, row in ROWS for panel in row for query in panel.queries]
    for variable in ("job", "instance", "symbol"):
        found = [expr.replace(f"${variable}", ".+") for expr in found]
    return [expr.replace("$__rate_interval", "5m") for expr in found]


def _placed(made: dict[str, Any], x: int, y: int, w: int, h: int) -> dict[str, Any]:
    return {**made, "gridPos": {"x": x, "y": y, "w": w, "h": h}}


_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def _panel(panel: Panel) -> dict[str, Any]:
    made = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "noValue": "-"}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
                "range": panel.kind != "stat",
                "instant": panel.kind == "stat",
            }
            for number, query in enumerate(panel.queries)
        ],
    }
    if panel.kind == "timeseries":
        made["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    else:
        made["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none", "graphMode": "none"}
    return made


def _variables() -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    queries = (
        ("job", "Job", "label_values(mm_md_cache_size, job)"),
        ("instance", "Bot", 'label_values(mm_md_cache_size{job=~"$job"}, instance)'),
        ("symbol", "Symbol", 'label_values(mm_md_cache_requests_total{instance=~"$instance"}, symbol)'),
    )
    chosen = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return [
        source,
        *(
            {
                "name": name,
                "label": label,
                "type": "query",
                "datasource": _SOURCE,
                "query": {"query": query, "refId": name},
                "definition": query,
                "refresh": 2,
                "sort": 1,
                "multi": True,
                "includeAll": True,
                "allValue": ".+",
                "current": chosen,
            }
            for name, label, query in queries
        ),
    ]
