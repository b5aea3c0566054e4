"""The assessment of stale market data as Markdown and as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from calib.dataset.markouts import HORIZONS_S
from calib.evaluation.policy_assessment import FRESH, GROUPS, STALE, UNKNOWN, PolicyAssessment, StaleFillFigures
from calib.files import settings_tail, write_atomic
from calib.reports.markdown import cell, table
from calib.reports.numbers import NONE, count, number, percent
from calib.words import moment_text

SCHEMA: Final = "calib.policy_assessment/1"
_WORDS: Final = {STALE: "quoted from a stale book", FRESH: "the rest", UNKNOWN: "unknown"}
_CAUTION: Final = (
    "Stale books are served at busy times, which cost more in any case, so the differences below are associations. "
    "The causal test is `calib ab`."
)
_WHY: Final = {
    "no_quote_time": "the fill has neither `ts_quote` nor a quote in the quotes feed",
    "no_tick": "no logged tick covers the time of the quote",
    "tick_unknown": "the tick has no `used_stale`",
}


def assessment_data(found: PolicyAssessment, start: float, end: float, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the assessment as plain values; missing figures are null."""
    groups = {name: _group(figures) for name, figures in found.groups.items()}
    total = found.reads_total
    return {
        "schema": SCHEMA,
        "range": {"from": start, "to": end},
        "reads": asdict(total) | {"by_symbol": {symbol: asdict(one) for symbol, one in found.reads.items()}},
        "fills": groups,
        "difference": {name: found.difference(name) for name in ("slippage_bps", "net_bps", *HORIZONS_S)},
        "sources": dict(found.sources),
        "not_joined": dict(found.unjoined) | {"fills": groups[UNKNOWN]["fills"], "sampled": found.sampled},
        "stale_by_symbol": {symbol: _group(figures) for symbol, figures in found.stale_by_symbol.items()},
        "inputs": inputs,
    }


def _group(figures: StaleFillFigures) -> dict[str, Any]:
    return {
        "fills": figures.fills,
        "notional": figures.notional,
        "exposure": figures.exposure,
        "net_notional": dict(figures.net_notional),
        "slippage_bps": figures.slippage_bps,
        "net_bps": figures.net_bps,
        **figures.markouts,
    }


def digest(found: PolicyAssessment) -> list[str]:
    """Return three lines for a terminal."""
    total, stale, unknown = found.reads_total, found.groups[STALE], found.groups[UNKNOWN]
    fills = sum(one.fills for one in found.groups.values())
    reads = f"{count(total.stale_lines)} of {count(total.lines)} tick lines used a stale book"
    if found.sampled:
        reads += f" (they represent {count(total.stale_ticks)} of {count(total.ticks)} ticks)"
    quoted = f"{count(stale.fills)} of {count(fills)} fills quoted from one: notional {number(stale.notional)}"
    cost = f"net {_signed(found.difference('net_bps'))} bps, slippage {_signed(found.difference('slippage_bps'))} bps"
    return [
        reads,
        f"{quoted}, against the rest {cost}",
        f"{count(unknown.fills)} fills could not be classified" + (" (ticks are sampled)" if found.sampled else ""),
    ]


def assessment_text(found: PolicyAssessment, start: float, end: float) -> str:
    """Return the report as Markdown; equal assessments yield equal bytes."""
    total = found.reads_total
    cost = f"net {_signed(found.difference('net_bps'))} bps, slippage {_signed(found.difference('slippage_bps'))} bps"
    parts = [
        "# Stale market data: reads and fills",
        f"Range: {moment_text(start)} to {moment_text(end)} UTC.",
        "\n".join(f"- {line}" for line in digest(found)),
        _CAUTION,
        "## Fills",
        _fills_table({_WORDS[name]: found.groups[name] for name in GROUPS}, code=False),
        f"Stale minus the rest: {cost} (more slippage is worse, less net is worse).",
        "## Sources of used_stale",
        _sources(found),
    ]
    if found.stale_by_symbol:
        parts += ["## Fills quoted from a stale book, by symbol", _fills_table(found.stale_by_symbol, code=True)]
    parts += ["## Reads", _reads_table(found)]
    if total.unknown_lines:
        parts.append(f"{count(total.unknown_lines)} tick lines have no `used_stale`.")
    return "\n\n".join(parts) + "\n"


def write_assessment(
    found: PolicyAssessment,
    out: Path,
    start: float,
    end: float,
    settings: Mapping[str, Any],
) -> Path:
    """Write ``out/reports/policy_assessment_FROM_TO.md``; non-default ``settings`` add their hash to the name."""
    tail = settings_tail(settings)
    path = out / "reports" / f"policy_assessment_{_stamp(start)}_{_stamp(end)}{tail}.md"
    write_atomic(path, assessment_text(found, start, end).encode())
    return path


def _fills_table(groups: Mapping[str, StaleFillFigures], *, code: bool) -> str:
    rows = [
        [
            cell(name) if code else name,
            count(one.fills),
            number(one.notional),
            number(one.exposure),
            number(one.slippage_bps),
            number(one.net_bps),
            number(one.markouts.get("markout_5s_bps")),
        ]
        for name, one in groups.items()
    ]
    first = "symbol" if code else "fills"
    header = (first, "number", "notional", "exposure", "slippage, bps", "net, bps", "markout 5 s, bps")
    return table(header, rows, "lrrrrrr")


def _sources(found: PolicyAssessment) -> str:
    said = {"fill": "the fill's own `used_stale`", "quote": "its quote's `used_stale`", "tick": "the tick that quoted"}
    lines = [f"- {count(number_)} fills: {said[name]}" for name, number_ in found.sources.items()]
    lines += [f"- {count(number_)} fills unknown: {_WHY[name]}" for name, number_ in found.unjoined.items() if number_]
    if found.sampled and found.unjoined["no_tick"]:
        lines.append(
            "- Ticks are sampled: most quoting ticks were not logged. Log `used_stale` with each fill, or every tick."
        )
    return "\n".join(lines)


def _reads_table(found: PolicyAssessment) -> str:
    rows = [
        [
            cell(symbol),
            count(one.lines),
            count(one.ticks),
            count(one.stale_lines),
            count(one.stale_ticks),
            percent(one.stale_ticks, one.ticks),
        ]
        for symbol, one in found.reads.items()
    ]
    header = ("symbol", "tick lines", "ticks", "stale lines", "stale ticks", "share")
    return table(header, rows, "lrrrrr")


def _signed(value: float | None) -> str:
    return NONE if value is None else ("+" if value > 0 else "") + number(value)


def _stamp(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).strftime("%Y%m%d_%H%M%S")
