"""The mids of one symbol over time, on one clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calib.recorded.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Mids:
    """Distinct mids in time order.

    Parameters
    ----------
    times_s
        Start of each, s, strictly increasing.
    values
        The mids, quote currency.
    seen_s
        Time of the last message at which each was observed, at least its start.
    breaks_s
        Times at which the book became unknown, increasing: sequence gaps and ends of sessions. No mid is valid across.
    source
        ``book`` or ``ticks``.
    """

    times_s: Floats
    values: Floats
    seen_s: Floats
    breaks_s: Floats
    source: str = "book"

    def __post_init__(self) -> None:
        if not len(self.times_s) == len(self.values) == len(self.seen_s):
            raise ValueError("the columns of the mids have different lengths")
        if np.any(np.diff(self.times_s) <= 0):
            raise ValueError("the times of the mids must be strictly increasing")

    @classmethod
    def of(
        cls,
        times_s: Floats,
        values: Floats,
        breaks_s: Floats | None = None,
        *,
        max_step_s: float = np.inf,
        source: str = "book",
    ) -> Mids:
        """Create mids from observations in time order: equal neighbours are merged, of equal times the last counts.

        Neighbours further apart than ``max_step_s`` are not merged: nothing was observed between them.

        >>> import numpy as np
        >>> mids = Mids.of(np.array([1.0, 2.0, 2.0, 3.0]), np.array([10.0, 11.0, 10.0, 10.0]))
        >>> mids.times_s.tolist(), mids.seen_s.tolist()
        ([1.0], [3.0])
        """
        breaks = np.zeros(0) if breaks_s is None else np.sort(np.asarray(breaks_s, float))
        times, values = np.asarray(times_s, float), np.asarray(values, float)
        if not len(times):
            return cls(times, values, times, breaks, source)
        last = np.append(np.diff(times) > 0, True)
        times, values = times[last], values[last]
        side = np.searchsorted(breaks, times, side="right")
        first = np.ones(len(times), bool)
        first[1:] = (np.diff(values) != 0) | (np.diff(side) != 0) | (np.diff(times) > max_step_s)
        begins = np.flatnonzero(first)
        ends = np.append(begins[1:], len(times)) - 1
        return cls(times[begins], values[begins], times[ends], breaks, source)

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def end_s(self) -> float:
        """Time of the last observation; -infinity if there is none."""
        return float(self.seen_s[-1]) if len(self) else -np.inf

    def index(self, moments_s: Floats, *, before: bool = False) -> Ints:
        """Index of the last mid at or before each time, or strictly before it; -1 if there is none."""
        return np.asarray(np.searchsorted(self.times_s, moments_s, side="left" if before else "right") - 1)

    def valid_until(self, max_age_s: float) -> Floats:
        """The time until which each mid may be used: its age counts from the last observation; a break ends it."""
        return self._until(np.arange(len(self)), max_age_s)

    def _until(self, places: Ints, max_age_s: float) -> Floats:
        until = self.seen_s[places] + max_age_s
        if len(self.breaks_s):
            after = np.searchsorted(self.breaks_s, self.times_s[places], side="right")
            ends = np.append(self.breaks_s, np.inf)[after]
            until = np.minimum(until, ends)
        return np.asarray(until)

    def at(self, moments_s: Floats, max_age_s: float, *, before: bool = False) -> Floats:
        """The last mid at or before each time, or strictly before it; NaN after the end, across a gap or if too old.

        After the last observation nothing is known, however short the time.
        """
        moments = np.asarray(moments_s, float)
        if not len(self):
            return np.full(len(moments), np.nan)
        place = self.index(moments, before=before)
        held = np.maximum(place, 0)
        known = (place >= 0) & (moments <= self._until(held, max_age_s)) & (moments <= self.end_s)
        return np.where(known, self.values[held], np.nan)

    def broken(self, from_s: Floats, to_s: Floats) -> Bools:
        """Whether a break is after ``from_s`` and at or before ``to_s``."""
        before = np.searchsorted(self.breaks_s, from_s, side="right")
        return np.asarray(np.searchsorted(self.breaks_s, to_s, side="right") > before)

    def median_gap_s(self) -> float:
        """Median time between changes of the mid; infinite with fewer than two."""
        return float(np.median(np.diff(self.times_s))) if len(self) > 1 else float(np.inf)

    def with_grid(self, step_s: float) -> Mids:
        """The same mids, split at each multiple of the step, so that each piece is within one block."""
        if not len(self):
            return self
        grid = np.arange(np.ceil(self.times_s[0] / step_s), np.floor(self.end_s / step_s) + 1) * step_s
        grid = np.setdiff1d(grid, self.times_s)
        place = self.index(grid)
        # A mid that is unknown at a cut stays unknown: the copy is observed no longer than the mid itself.
        known = grid <= self.seen_s[place]
        times = np.concatenate([self.times_s, grid[known]])
        order = np.argsort(times, kind="stable")
        values = np.concatenate([self.values, self.values[place[known]]])[order]
        seen = np.concatenate([self.seen_s, self.seen_s[place[known]]])[order]
        return Mids(times[order], values, seen, self.breaks_s, self.source)
