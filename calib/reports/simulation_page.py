"""The report of ``calib simulate --compare``: one market with the cache off and on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calib.reports.files import RenderedReport
from calib.reports.markdown import cell, table
from calib.reports.numbers import NONE, count, number
from calib.reports.pictures.dots import Dot, dots_svg

_TITLE = "fetch_md before and after: p95, with p50 and p99"


def simulation_report(data: Mapping[str, Any]) -> RenderedReport:
    """Return the report of a comparison; ``data`` is that of ``calib simulate --compare --output json``."""
    plan, before, after = data["plan"], data["before"], data["after"]
    failed = [rule["name"] for rule in data["gate"] if not rule["passed"]]
    verdict = f"GATE MISSED: {', '.join(failed)}" if failed else "GATE PASSED: all limits are met"
    gate = [
        [rule["name"], f"{rule['sign']} {number(rule['limit'])}", number(rule["value"]), _verdict(rule["passed"])]
        for rule in data["gate"]
    ]
    figures = [[name, _value(before[name]), _value(after[name])] for name in before]
    settings = [[cell(name), cell(_setting(value))] for name, value in plan.items()]
    symbols = ", ".join(map(cell, plan["symbols"]))
    parts = [
        "# A simulated market with the cache off and on",
        f"**{verdict}.**",
        f"{plan['from']} to {plan['to']}, seed {plan['seed']}, symbols: {symbols}. Both runs use the same market.",
        "## Before and after",
        f"![{_TITLE}](times.svg)",
        table(("figure", "cache off", f"cache {plan['cache']}"), figures, "lrr"),
        "## Gate",
        table(("figure", "limit", "value", "verdict"), gate, "lrrl"),
        "## Settings",
        table(("setting", "value"), settings, "ll"),
    ]
    return RenderedReport("\n\n".join(parts) + "\n", {"times.svg": dots_svg(_TITLE, "ms", _times(before, after))})


def _times(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Dot]:
    names = ("fetch_md_p95_ms", "fetch_md_p50_ms", "fetch_md_p99_ms")
    rows = (("cache off", before), ("cache on", after))
    return [Dot(label, *(float(run[name]) for name in names)) for label, run in rows]


def _value(value: Any) -> str:
    return count(value) if isinstance(value, int) else number(value)


def _verdict(passed: bool | None) -> str:
    return {True: "pass", False: "FAIL", None: NONE}[passed]


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_setting(part)}" for name, part in value.items()) or NONE
    if isinstance(value, list):
        return ", ".join(map(str, value)) or NONE
    return NONE if value is None else str(value)
