"""What a check of a canary says to people."""

from __future__ import annotations

from typing import Any

from calib.experiments.canary.controller import Check
from calib.reports.numbers import NONE, duration, number


def check_lines(check: Check) -> list[str]:
    """A check in three lines."""
    found = check.measures
    figures = [
        f"{found.ticks:,} ticks",
        f"hit ratio {number(found.hit_ratio)}",
        f"fetch_md p95 {number(found.fetch_md_p95_ms)} ms",
        f"tick_total p95 {number(found.tick_total_p95_ms)} ms",
        f"late {number(found.deadline_miss_rate)}",
    ]
    if found.fetch_ratio is not None:
        figures.append(f"fetch_md {100 * (found.fetch_ratio - 1):+.1f} % of the baseline")
    served = (
        f"{duration(round(check.covered_s))} of {duration(round(check.needed_s))} served" if check.needed_s else NONE
    )
    ready = "; ready to advance" if check.ready else ""
    return [f"{check.state}: {check.phase}: {check.why}", f"  {', '.join(figures)}", f"  {served}{ready}"]


def status_lines(status: dict[str, Any]) -> list[str]:
    """A status in one line, and a second with the first symbols that use the cache."""
    base = status["baseline"]
    baseline = "no baseline" if base is None else f"baseline {base['name']!r} version {base['version']}"
    enabled = f"{len(status['enabled'])} of {len(status['symbols'])} symbols use the cache"
    names = [f"  {', '.join(status['enabled'][:20])}"] if status["enabled"] else []
    return [f"{status['state']}: {status['phase']}: {enabled}; {baseline}", *names]
