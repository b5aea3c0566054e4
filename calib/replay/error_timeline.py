"""The error of served books over time, in at most 256 steps for any length of a replay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

STEPS: Final = 256
_FIRST_US: Final = 1_000_000


class ErrorTimeline:
    """Sums of errors in equal time steps; when there are too many steps, pairs of them are merged.

    >>> line = ErrorTimeline()
    >>> line.take(0, 1.0, out_of_sync=False)
    >>> line.take(1_500_000, 3.0, out_of_sync=True)
    >>> [(step["mean_bps"], step["out_of_sync"]) for step in line.steps()]
    [(1.0, 0), (3.0, 1)]
    """

    __slots__ = ("_origin_us", "_steps", "step_us")

    def __init__(self) -> None:
        self.step_us = _FIRST_US
        self._origin_us: int | None = None
        # per step: reads, compared reads, sum of errors, largest error, reads while the stream was out of sync
        self._steps: dict[int, list[float]] = {}

    def take(self, at_us: int, error_bps: float | None, *, out_of_sync: bool) -> None:
        """Add one read, in time order; ``error_bps`` is None if there is nothing to compare."""
        if self._origin_us is None:
            self._origin_us = at_us - at_us % _FIRST_US
        while (place := (at_us - self._origin_us) // self.step_us) >= STEPS:
            self._join()
        step = self._steps.get(place)
        if step is None:
            step = self._steps[place] = [0, 0, 0.0, 0.0, 0]
        step[0] += 1
        step[4] += out_of_sync
        if error_bps is not None:
            step[1] += 1
            step[2] += error_bps
            step[3] = max(step[3], error_bps)

    @property
    def origin_us(self) -> int | None:
        """Start of the first step, Unix us; None without reads."""
        return self._origin_us

    def steps(self) -> Iterator[dict[str, Any]]:
        """Every step from the first to the last, including those without reads."""
        for place in range(max(self._steps, default=-1) + 1):
            reads, judged, total, largest, lost = self._steps.get(place, [0, 0, 0.0, 0.0, 0])
            yield {
                "reads": int(reads),
                "judged": int(judged),
                "mean_bps": total / judged if judged else None,
                "max_bps": largest if judged else None,
                "out_of_sync": int(lost),
            }

    def _join(self) -> None:
        joined: dict[int, list[float]] = {}
        for place, step in sorted(self._steps.items()):
            into = joined.setdefault(place // 2, [0, 0, 0.0, 0.0, 0])
            for at in (0, 1, 2, 4):
                into[at] += step[at]
            into[3] = max(into[3], step[3])
        self._steps = joined
        self.step_us *= 2
