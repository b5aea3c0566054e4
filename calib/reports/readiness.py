"""The report of the readiness checklist for a first calibration."""

from __future__ import annotations

from calib.evaluation.readiness import Readiness, advice
from calib.limits import LimitResult
from calib.reports.files import RenderedReport
from calib.reports.markdown import cell, table
from calib.reports.numbers import NONE, count, number

_VERDICTS = {True: "pass", False: "MISSED", None: "not judged"}


def readiness_report(feeds: str, found: Readiness) -> RenderedReport:
    """Return the checklist as Markdown."""
    parts = [
        f"# Ready for a first calibration: {cell(feeds)}",
        f"**{readiness_verdict(found)}.**",
        readiness_table(found),
        "## Notes",
        "\n".join(f"- {note}" for note in found.notes) or "None.",
        f"Ticks checked: {count(found.ticks.ticks)}. The limits are the settings `ready.*` and `canary.shadow_*`.",
    ]
    return RenderedReport("\n\n".join(parts) + "\n")


def readiness_verdict(found: Readiness) -> str:
    """Return whether the feeds are ready, in a sentence."""
    unknown = [result.limit.name for result in found.results if result.passed is None]
    said = f" ({', '.join(unknown)} not judged)" if unknown else ""
    if found.ready:
        return f"READY: all limits are met{said}"
    return f"NOT READY: {', '.join(found.missed)}{said}"


def readiness_table(found: Readiness) -> str:
    """Return a table of each figure with value, limit, verdict and advice."""
    rows = [_row(result) for result in found.results]
    return table(("figure", "value", "limit", "verdict", "what to do"), rows, "lrrll")


def _row(result: LimitResult) -> list[str]:
    limit = result.limit
    figures = [limit.name, number(result.value), f"{limit.sign} {number(limit.limit)}"]
    return [*figures, _VERDICTS[result.passed], advice(result) or NONE]
