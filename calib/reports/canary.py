"""The texts and reports of canary checks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calib._version import __version__
from calib.experiments.canary.check import Check
from calib.files import write_atomic
from calib.reports.markdown import cell, table
from calib.reports.numbers import NONE, duration, number
from calib.words import counted


def check_lines(check: Check) -> list[str]:
    """Return a check in three lines."""
    found = check.measures
    figures = [
        f"{counted(found.ticks, 'tick', thousands=True)}",
        f"hit ratio {number(found.hit_ratio)}",
        f"fetch_md p95 {number(found.fetch_md_p95_ms)} ms",
        f"tick_total p95 {number(found.tick_total_p95_ms)} ms",
        f"late {number(found.deadline_miss_rate)}",
    ]
    if found.fetch_ratio is not None:
        figures.append(f"fetch_md {100 * (found.fetch_ratio - 1):+.1f} % of the baseline")
    served = (
        f"{duration(round(check.covered_s))} of {duration(round(check.needed_s))} covered" if check.needed_s else NONE
    )
    ready = "; ready to advance" if check.ready else ""
    if check.test is not None and check.test["blocks"]:
        effect = f"{100 * check.test['effect_ratio']:+.1f} % against the symbols without the cache"
        figures.append(f"{effect} (p {number(check.test['p'])}, {check.test['blocks']} blocks)")
    return [f"{check.state}: {check.phase}: {check.why}", f"  {', '.join(figures)}", f"  {served}{ready}"]


def report_writer(out: Path | str) -> Callable[[dict[str, Any]], Path]:
    """Return a writer for `calib.CanaryController`, which writes ``OUT/reports/canary_rollback_<time>.md``."""

    def write(record: dict[str, Any]) -> Path:
        rollback = record["rollback"] or {}
        stamp = datetime.fromtimestamp(rollback.get("ts", 0.0), UTC).strftime("%Y%m%d_%H%M%S")
        path = Path(out) / "reports" / f"canary_rollback_{stamp}.md"
        write_atomic(path, report_text(record).encode())
        return path

    return write


def report_text(record: dict[str, Any]) -> str:
    """Return the report of a rollback as Markdown."""
    rollback = record["rollback"] or {}
    measures = rollback.get("measures") or {}
    test = rollback.get("test") or {}
    when = datetime.fromtimestamp(rollback.get("ts", 0.0), UTC).strftime("%Y-%m-%d %H:%M:%S")
    names = {"hit_ratio": "hit ratio", "fetch_md_p95_ms": "fetch_md p95, ms", "tick_total_p95_ms": "tick_total p95, ms"}
    names |= {"deadline_miss_rate": "late ticks", "fetch_ratio": "fetch_md over the baseline", "ticks": "ticks"}
    figures = [[label, number(measures.get(name))] for name, label in names.items()]
    figures += [[f"sequential test: {name}", number(value)] for name, value in test.items()]
    settings = [[f"`canary.{name}`", cell(str(value))] for name, value in record["settings"].items()]
    parts = [
        f"# Canary rolled back at {when} UTC",
        f"**{cell(str(rollback.get('why', 'see audit.jsonl')))}.**",
        "No symbol uses the cache until `calib canary reset`.",
        "## Figures",
        table(["figure", "value"], figures, "lr"),
        "## Symbols that used the cache",
        ", ".join(cell(symbol) for symbol in rollback.get("enabled", [])) or "None.",
        "## Settings",
        table(["setting", "value"], settings, "ll"),
        f"Made by calib {__version__}.",
    ]
    return "\n\n".join(parts) + "\n"


def status_lines(status: dict[str, Any]) -> list[str]:
    """Return a status in one line, with a second line for the first symbols that use the cache."""
    base = status["baseline"]
    baseline = "no baseline" if base is None else f"baseline {base['name']!r} version {base['version']}"
    enabled = f"{len(status['enabled'])} of {counted(len(status['symbols']), 'symbol')} with the cache on"
    names = [f"  {', '.join(status['enabled'][:20])}"] if status["enabled"] else []
    return [f"{status['state']}: {status['phase']}: {enabled}; {baseline}", *names]
