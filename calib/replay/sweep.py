"""A sweep: many replays of the same feeds in child processes, and their Pareto-optimal configurations."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from calib.errors import CalibError, ChildLost
from calib.limits import Limit, LimitResult
from calib.pipes import end_of, start_child
from calib.replay.job import Job, ask, packed_answer, packed_request, run_packed, serve_job
from calib.replay.limits import check_overall

if TYPE_CHECKING:
    from calib.engines.dask_cluster import DaskCluster

T = TypeVar("T")
_POLL_S: Final = 0.1
"""Interval at which a waiting sweep checks for an interrupt, s."""
_WORKER_MEMORY_HINT: Final = "If the workers ran out of memory, give them more, or a shorter range"
_MEMORY_HINT: Final = "If it ran out of memory, give fewer --jobs, or a shorter range"


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration of a sweep with its result.

    Parameters
    ----------
    chosen
        The values of the swept settings.
    hit_ratio, cost_bps
        Fraction of reads answered from the cache; mean of |served mid - true mid|, bps. None without measurements.
    requests
        Number of requests to the venue.
    gate
        The limits and their results.
    """

    chosen: Mapping[str, Any]
    outcome: Mapping[str, Any]
    hit_ratio: float | None
    cost_bps: float | None
    requests: int
    gate: tuple[LimitResult, ...]

    @classmethod
    def of(cls, chosen: Mapping[str, Any], outcome: Mapping[str, Any], limits: tuple[Limit, ...]) -> Point:
        """Create the point of an outcome."""
        overall = outcome["overall"]
        cost_bps = overall["staleness"]["error_bps"]["mean"]
        return cls(
            chosen, outcome, overall["hit_ratio"], cost_bps, overall["requests"], tuple(check_overall(overall, limits))
        )

    @property
    def passed(self) -> bool | None:
        """False if a limit fails; None if none fails and one could not be evaluated."""
        verdicts = [judged.passed for judged in self.gate]
        return False if False in verdicts else None if None in verdicts else True

    @property
    def measured(self) -> bool:
        """Whether both figures were measured."""
        return self.hit_ratio is not None and self.cost_bps is not None


@dataclass(frozen=True, slots=True)
class SkippedPoint:
    """A combination that is not a valid configuration, with the reason."""

    chosen: Mapping[str, Any]
    why: str


def combinations(axes: Sequence[tuple[str, Sequence[Any]]]) -> list[dict[str, Any]]:
    """Every combination of the values of the axes, the last axis fastest.

    >>> combinations([("a", [1, 2]), ("b", ["x"])])
    [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'}]
    """
    names = [name for name, _ in axes]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(values for _, values in axes))]


COSTS: Final = ("error", "requests")
"""The cost by which the cheapest configuration is chosen: staleness, or load on the venue."""


def frontier(points: Sequence[Point]) -> list[Point]:
    """The Pareto-optimal points: no other point has at most their error and requests, and less of one.

    Sorted by error; of equal points only the first is included.
    """
    best: list[Point] = []
    for point in sorted((p for p in points if p.measured), key=_by_error):
        if not best or point.requests < best[-1].requests:
            best.append(point)
    return best


def cheapest(points: Sequence[Point], *, strict: bool = False, cost: str = "error") -> Point | None:
    """The cheapest of the points that pass the gate; None if none passes.

    Parameters
    ----------
    strict
        Whether a limit that could not be evaluated counts as failed.
    cost
        One of `COSTS`; the other breaks ties.
    """
    passing = (True,) if strict else (True, None)
    order = _by_error if cost == "error" else _by_requests
    return min((point for point in points if point.measured and point.passed in passing), key=order, default=None)


def without_effect(points: Sequence[Point]) -> dict[str, str]:
    """The swept settings without effect on the result, each with the reason.

    A setting has no effect if all configurations that differ only in it have the same figures.
    """
    found = {}
    for name in points[0].chosen if points else ():
        groups: dict[str, list[Point]] = {}
        for point in points:
            groups.setdefault(repr({key: value for key, value in point.chosen.items() if key != name}), []).append(
                point
            )
        if all(point.outcome["overall"] == group[0].outcome["overall"] for group in groups.values() for point in group):
            found[name] = _no_effect_reason(name, points[0].outcome["settings"])
    return found


def _no_effect_reason(name: str, settings: Mapping[str, Any]) -> str:
    if settings["fill"] == "stream" and name in _AGES:
        return "books came from the stream: a verified book is fresh whatever its bounds on age, while frames arrive"
    if name == "md_cache.ttl_ms" and settings["use_case"] in ("pricing", "guards"):
        return "md_cache.fresh_ms_for_pricing bounds the age for pricing: move it too"
    return "no read of this recording came near it"


_AGES: Final = frozenset(
    f"md_cache.{name}" for name in ("ttl_ms", "hard_ttl_ms", "fresh_ms_for_pricing", "guard_max_age_ms")
)


def _by_error(point: Point) -> tuple[float, float]:
    assert point.cost_bps is not None
    return point.cost_bps, point.requests


def _by_requests(point: Point) -> tuple[float, float]:
    assert point.cost_bps is not None
    return point.requests, point.cost_bps


def run_all(
    jobs: Sequence[Job],
    workers: int,
    progress: Callable[[float], None] = lambda _: None,
    cluster: DaskCluster | None = None,
) -> list[dict[str, Any] | ChildLost]:
    """Run the jobs and return their outcomes in order, for any number of processes.

    If a process is killed (for example out of memory), only its own outcome is lost and replaced by an error.
    ``progress`` receives the number of jobs done since the last call, as fractions, and from other threads too.

    Parameters
    ----------
    cluster
        What runs the jobs instead of processes of ours; its workers must see the feeds' directory.

    Raises
    ------
    calib.errors.CalibError
        The first error of a job, in the order of the jobs.
    """
    if cluster is not None:
        return _on_cluster(cluster, jobs, progress)
    if workers <= 1 or len(jobs) == 1:
        return [job.run(progress) for job in jobs]
    # In this order: leaving the pool waits for its threads, which wait for processes that must be killed first.
    with ThreadPoolExecutor(min(workers, len(jobs))) as pool, _processes(progress) as start:
        futures = [pool.submit(start, job) for job in jobs]
        try:
            return [_result(future) for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _on_cluster(
    cluster: DaskCluster, jobs: Sequence[Job], progress: Callable[[float], None]
) -> list[dict[str, Any] | ChildLost]:
    found: list[dict[str, Any] | ChildLost] = []
    for _, answer in cluster.run(run_packed, ((job, packed_request(job)) for job in jobs)):
        lost = ChildLost(f"no worker came to its end: {type(answer).__name__}", hint=_WORKER_MEMORY_HINT)
        found.append(packed_answer(answer) if isinstance(answer, bytes) else lost)
        progress(1.0)
    return found


def _result(future: Future[T]) -> T:
    """Wait in short steps: with Polars loaded, Ctrl-C does not interrupt waiting for a lock."""
    while not wait([future], timeout=_POLL_S).done:
        pass
    return future.result()


@contextlib.contextmanager
def _processes(progress: Callable[[float], None]) -> Iterator[Callable[[Job], dict[str, Any] | ChildLost]]:
    """Yield a function that runs a job in a child process; processes still running at the end are killed."""
    running: set[subprocess.Popen[bytes]] = set()
    ended = False

    def start(job: Job) -> dict[str, Any] | ChildLost:
        process = start_child("calib.replay.sweep:serve")
        running.add(process)
        if ended:  # the block ended while this process was starting: it must not outlive the block
            process.kill()
        with process:
            found = ask(process, job, progress)
        running.discard(process)
        if isinstance(found, CalibError):
            raise found
        return ChildLost(f"its process {end_of(process.returncode)}", hint=_MEMORY_HINT) if found is None else found

    try:
        yield start
    finally:
        ended = True
        for process in list(running):
            process.kill()


def serve() -> None:
    """The entry point of the child process: reads one job from stdin, writes progress and outcome to stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent receives the interrupt too, and kills its children
    serve_job()
