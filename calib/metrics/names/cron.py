"""Names in the text files that commands write for the node exporter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.metrics.names.base import Metric


@dataclass(frozen=True, slots=True)
class NightlyJob:
    """A command that runs at night.

    Parameters
    ----------
    command
        As it is typed after ``calib``.
    word
        What stands for it in names.
    rows
        What its rows are.
    rejects
        What its rejected rows are; empty where it rejects none.
    kept
        What its kept ratio is a share of; empty where it has none.
    coverage
        What its coverage is a share of; empty where it has none.
    """

    command: str
    word: str
    rows: str
    rejects: str = ""
    kept: str = ""
    coverage: str = ""

    @property
    def stem(self) -> str:
        """How its names begin.

        >>> NightlyJob("canary check", "canary_check", "Ticks").stem
        'calib_canary_check'
        """
        return f"calib_{self.word}"


_DAYS: Final = "Share of the days of the range that have their feed files"
_BAD: Final = "Lines that were rejected, by reason"
_RANGE: Final = "Share of the range's intervals, over its symbols, that have data"
_FILTERED: Final = "Share of the intervals that passed the filters"
_USED: Final = "Share of the feed lines that were used"
_TICKS: Final = "Ticks in the window that was judged"
_SERVED: Final = "Share of the step's time that is served"

JOBS: Final = (
    NightlyJob(
        "aggregate", "aggregate", rows="Feed lines that were used", rejects=_BAD, kept=_FILTERED, coverage=_RANGE
    ),
    NightlyJob(
        "summary",
        "summarize",  # "summary" is a type of Prometheus', which promtool allows in no name
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
            f"When calib {job.command} last succeeded, Unix time.",
            owner,
            "seconds",
        ),
        Metric(f"{stem}_duration_seconds", "gauge", "How long that run took.", owner, "seconds"),
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
        "The same as calib_aggregate_rows, by its first name.",
        "calib aggregate --prom",
        "lines",
    ),
    Metric(
        "calib_aggregate_lines_rejected",
        "gauge",
        "The same as calib_aggregate_rows_rejected, by its first name.",
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
"""The common names of every command, and those of the dataset."""
