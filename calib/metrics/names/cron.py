"""Names in the text files that commands write for the node exporter's textfile collector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.metrics.names.base import Metric


@dataclass(frozen=True, slots=True)
class NightlyJob:
    """A command that runs as a nightly job.

    Parameters
    ----------
    command
        The command after ``calib``.
    word
        Its part of the metric names.
    rows
        Description of its rows.
    rejects
        Description of its rejected rows; empty if it rejects none.
    kept
        Description of its kept ratio; empty if it has none.
    coverage
        Description of its coverage ratio; empty if it has none.
    """

    command: str
    word: str
    rows: str
    rejects: str = ""
    kept: str = ""
    coverage: str = ""

    @property
    def stem(self) -> str:
        """The prefix of its metric names.

        >>> NightlyJob("canary check", "canary_check", "Ticks").stem
        'calib_canary_check'
        """
        return f"calib_{self.word}"


_DAYS: Final = "Share of the days of the range that have their feed files"
_BAD: Final = "Lines that were rejected, by reason"
_RANGE: Final = "Share of the range's intervals, over its symbols, that have data"
_FILTERED: Final = "Share of the intervals that passed the filters"
_USED: Final = "Share of the feed lines that were used"
_TICKS: Final = "Ticks in the evaluated window"
_SERVED: Final = "Share of the step's time that has data"

JOBS: Final = (
    NightlyJob(
        "aggregate", "aggregate", rows="Feed lines that were used", rejects=_BAD, kept=_FILTERED, coverage=_RANGE
    ),
    NightlyJob(
        "summary",
        "summarize",  # promtool does not allow "summary", a Prometheus metric type, in a name
        rows="Intervals of the datasets",
        rejects="Intervals that a filter dropped, by reason",
        kept=_FILTERED,
        coverage=_RANGE,
    ),
    NightlyJob("check", "check", rows="Feed lines that can be used", rejects=_BAD, kept=_USED, coverage=_DAYS),
    NightlyJob("replay", "replay", rows="Reads that were replayed", rejects=_BAD, kept=_USED, coverage=_DAYS),
    NightlyJob("ab", "ab", rows="Feed lines that were used", rejects=_BAD, kept=_USED, coverage=_DAYS),
    NightlyJob("canary check", "canary_check", rows=_TICKS, coverage=_SERVED),
    NightlyJob("canary advance", "canary_advance", rows=_TICKS, coverage=_SERVED),
    NightlyJob(
        "import",
        "import",
        rows="Rows that became records",
        rejects="Rows that were rejected, by reason",
        kept="Share of the rows that became records",
    ),
)
"""Every command with ``--prom``."""


def _names(job: NightlyJob) -> list[Metric]:
    stem, owner = job.stem, f"calib {job.command} --prom"
    rows = [
        Metric(
            f"{stem}_last_success_timestamp_seconds",
            "gauge",
            f"Time of the last success of calib {job.command}, Unix time.",
            owner,
            "seconds",
        ),
        Metric(f"{stem}_duration_seconds", "gauge", "Duration of that run.", owner, "seconds"),
        Metric(f"{stem}_rows", "gauge", f"{job.rows}.", owner, "rows"),
    ]
    if job.rejects:
        rows.append(Metric(f"{stem}_rows_rejected", "gauge", f"{job.rejects}.", owner, "rows", ("reason",)))
    if job.kept:
        rows.append(Metric(f"{stem}_kept_ratio", "gauge", f"{job.kept}.", owner, "ratio"))
    if job.coverage:
        rows.append(Metric(f"{stem}_coverage_ratio", "gauge", f"{job.coverage}.", owner, "ratio"))
    return rows


_AGGREGATE: Final = (
    Metric(
        "calib_aggregate_intervals_kept",
        "gauge",
        "Intervals of the last dataset after the filters.",
        "calib aggregate --prom",
        "intervals",
    ),
    Metric(
        "calib_aggregate_intervals_dropped",
        "gauge",
        "Intervals that a filter dropped, by reason.",
        "calib aggregate --prom",
        "intervals",
        ("reason",),
    ),
    Metric(
        "calib_aggregate_lines_used",
        "gauge",
        "The same as calib_aggregate_rows, under its earlier name.",
        "calib aggregate --prom",
        "lines",
    ),
    Metric(
        "calib_aggregate_lines_rejected",
        "gauge",
        "The same as calib_aggregate_rows_rejected, under its earlier name.",
        "calib aggregate --prom",
        "lines",
        ("reason",),
    ),
    Metric(
        "calib_aggregate_missing_files",
        "gauge",
        "Day files missing in the range.",
        "calib aggregate --prom",
        "files",
    ),
)

CRON: Final = (*(row for job in JOBS for row in _names(job)), *_AGGREGATE)
"""The names common to all commands, and those of `calib aggregate`."""
