"""Metrics of a nightly job: a text file for the node exporter's textfile collector.

A job that runs for a minute per night cannot be scraped, and a push gateway would show its last values for ever as if
they were current. The file has the time of the run, on which an alert can be based.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from calib.metrics.exposition import family_of
from calib.metrics.names import CRON, JOBS

_JOBS: Final = {job.command: job for job in JOBS}
_ROWS: Final = {row.name: row for row in CRON}


@dataclass(frozen=True, slots=True)
class JobResult:
    """The result of a job; the meaning of its values is in `calib.metrics.names.JOBS`.

    Parameters
    ----------
    rows
        Rows used or created.
    rejects
        Rows rejected, by reason.
    kept_ratio, coverage_ratio
        Ratios from 0 to 1; None if there is nothing to divide by.
    more
        Further values by the suffix of their names, such as ``intervals_kept``; a mapping is by ``reason``.
    """

    rows: int
    rejects: Mapping[str, int] = field(default_factory=dict)
    kept_ratio: float | None = None
    coverage_ratio: float | None = None
    more: Mapping[str, float | Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of_inputs(cls, inputs: Sequence[Mapping[str, Any]], missing: int, *, rows: int | None = None) -> Self:
        """The result of a job that read day files.

        Parameters
        ----------
        inputs
            Each file's ``lines``, ``used`` and ``rejected`` (reason -> count).
        missing
            Number of day files missing in the range.
        rows
            Rows created; None: the number of used lines.

        >>> of = JobResult.of_inputs([{"lines": 4, "used": 3, "rejected": {"bad_json": 1}}], missing=1)
        >>> of.rows, of.rejects, of.kept_ratio, of.coverage_ratio
        (3, {'bad_json': 1}, 0.75, 0.5)
        """
        lines, used = (sum(item[name] for item in inputs) for name in ("lines", "used"))
        rejected = added(item["rejected"] for item in inputs)
        covered = share(len(inputs), len(inputs) + missing)
        return cls(used if rows is None else rows, rejected, share(used, lines), covered)


def share(part: float, whole: float) -> float | None:
    """part / whole; None if whole is 0.

    >>> share(3, 4), share(0, 0)
    (0.75, None)
    """
    return part / whole if whole else None


def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Sum counts by reason over several files, sorted by reason.

    >>> added([{"bad_json": 1}, {"bad_json": 2, "bad_type": 1}])
    {'bad_json': 3, 'bad_type': 1}
    """
    total: dict[str, int] = {}
    for one in counts:
        for reason, count in one.items():
            total[reason] = total.get(reason, 0) + count
    return dict(sorted(total.items()))


def job_text(command: str, result: JobResult, *, now: float, duration_s: float) -> bytes:
    """The text file of a successful job.

    Parameters
    ----------
    command
        The command after ``calib``: one of `calib.metrics.names.JOBS`, with or without further words.
    result
        The result of the job.
    now
        Unix seconds at its end.
    duration_s
        Duration of the job.

    >>> print(job_text("ab", JobResult(7), now=1735689600.0, duration_s=0.5).decode().splitlines()[2])
    calib_ab_last_success_timestamp_seconds 1.7356896e+09
    """
    from prometheus_client import generate_latest

    job = _JOBS.get(command) or _JOBS[command.split()[0]]
    stem = job.stem
    values: dict[str, float | Mapping[str, float] | None] = {
        "last_success_timestamp_seconds": now,
        "duration_seconds": duration_s,
        "rows": result.rows,
        "rows_rejected": result.rejects,
        "kept_ratio": result.kept_ratio,
        "coverage_ratio": result.coverage_ratio,
        **result.more,
    }
    families = []
    for end, value in values.items():
        row = _ROWS.get(f"{stem}_{end}")
        if row is None or value is None or value == {}:
            continue
        labelled = value if isinstance(value, Mapping) else {"": value}
        families.append(family_of(row, [((name,) if row.labels else (), number) for name, number in labelled.items()]))
    return bytes(generate_latest(_Families(families)))


class _Families(list):  # type: ignore[type-arg]  # of the client's families
    """The interface of a registry that the client's text format needs."""

    def collect(self) -> _Families:
        return self
