"""Many replays of the same feeds, in processes of their own, and which of them nobody beats."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from calib.errors import CalibError, ChildLost
from calib.limits import Limit, LimitResult
from calib.pipes import end_of, start_child
from calib.replay.job import Job, ask, serve_job
from calib.replay.limits import check_overall

T = TypeVar("T")
_LOOK_S: Final = 0.1
"""How often a sweep that waits looks whether it was interrupted."""
_FEWER: Final = "If it ran out of memory, give fewer --jobs, or a shorter range"


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration of a sweep with what it came to.

    Parameters
    ----------
    chosen
        The settings that were varied.
    hit_ratio, cost_bps
        Reads answered from the cache; mean of |served mid - true mid|, bps. None where there was nothing to measure.
    gate
        The limits, judged.
    """

    chosen: Mapping[str, Any]
    outcome: Mapping[str, Any]
    hit_ratio: float | None
    cost_bps: float | None
    gate: tuple[LimitResult, ...]

    @classmethod
    def of(cls, chosen: Mapping[str, Any], outcome: Mapping[str, Any], limits: tuple[Limit, ...]) -> Point:
        """The point of an outcome."""
        overall = outcome["overall"]
        cost_bps = overall["staleness"]["error_bps"]["mean"]
        return cls(chosen, outcome, overall["hit_ratio"], cost_bps, tuple(check_overall(overall, limits)))

    @property
    def passed(self) -> bool | None:
        """False where a limit is missed; None where none is and one cannot be judged."""
        verdicts = [judged.passed for judged in self.gate]
        return False if False in verdicts else None if None in verdicts else True

    @property
    def measured(self) -> bool:
        """Whether it has both figures."""
        return self.hit_ratio is not None and self.cost_bps is not None


@dataclass(frozen=True, slots=True)
class SkippedPoint:
    """A combination that is no configuration: its values contradict each other, or what was set beside them."""

    chosen: Mapping[str, Any]
    why: str


def combinations(axes: Sequence[tuple[str, Sequence[Any]]]) -> list[dict[str, Any]]:
    """Every combination of the values of the axes, the last axis fastest.

    >>> combinations([("a", [1, 2]), ("b", ["x"])])
    [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'}]
    """
    names = [name for name, _ in axes]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(values for _, values in axes))]


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats: none has at least their hit ratio at no more cost, and is better in one.

    By rising cost; of equal points the first stands for all.
    """
    best: list[Point] = []
    for point in sorted((p for p in points if p.measured), key=_by_cost):
        if not best or point.hit_ratio > best[-1].hit_ratio:  # type: ignore[operator]  # both are measured
            best.append(point)
    return best


def cheapest(points: Sequence[Point], *, strict: bool = False) -> Point | None:
    """Of those that meet the gate the one whose staleness costs least, then hits most; None where none meets it.

    ``strict``: a limit that cannot be judged counts as missed.
    """
    passing = (True,) if strict else (True, None)
    return min((point for point in points if point.measured and point.passed in passing), key=_by_cost, default=None)


def _by_cost(point: Point) -> tuple[float, float]:
    assert point.cost_bps is not None
    assert point.hit_ratio is not None
    return point.cost_bps, -point.hit_ratio


def run_all(
    jobs: Sequence[Job], workers: int, progress: Callable[[float], None] = lambda _: None
) -> list[dict[str, Any] | ChildLost]:
    """The outcomes of the jobs in their order, whatever the number of processes.

    A process that is killed (for its memory, say) costs its own outcome alone: its error stands in its place.
    ``progress`` is told of the jobs done since the last call, in parts, and from other threads too.

    Raises
    ------
    calib.errors.CalibError
        The first that a job raised, in the order of the jobs.
    """
    if workers <= 1 or len(jobs) == 1:
        return [job.run(progress) for job in jobs]
    # In that order: the pool waits for its threads, and they for processes that must be killed before.
    with ThreadPoolExecutor(min(workers, len(jobs))) as pool, _processes(progress) as start:
        futures = [pool.submit(start, job) for job in jobs]
        try:
            return [_result(future) for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _result(future: Future[T]) -> T:
    """Its result, awaited in short steps: where Polars is loaded, Ctrl-C does not interrupt the wait for a lock."""
    while not wait([future], timeout=_LOOK_S).done:
        pass
    return future.result()


@contextlib.contextmanager
def _processes(progress: Callable[[float], None]) -> Iterator[Callable[[Job], dict[str, Any] | ChildLost]]:
    """A function that runs a job in a process of its own; whatever still runs at the end of the block is killed."""
    running: set[subprocess.Popen[bytes]] = set()
    ended = False

    def start(job: Job) -> dict[str, Any] | ChildLost:
        process = start_child("calib.replay.sweep:serve")
        running.add(process)
        if ended:  # interrupted between two jobs: this one must not outlive the block
            process.kill()
        with process:
            found = ask(process, job, progress)
        running.discard(process)
        if isinstance(found, CalibError):
            raise found
        return ChildLost(f"its process {end_of(process.returncode)}", hint=_FEWER) if found is None else found

    try:
        yield start
    finally:
        ended = True
        for process in list(running):
            process.kill()


def serve() -> None:
    """The other process: one job from stdin; parts of the way, and last its outcome, to stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and kills its children
    serve_job()
