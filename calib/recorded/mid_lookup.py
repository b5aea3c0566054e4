"""The mids of one symbol for single lookups: what `calib.recorded.mids` finds for arrays, without numpy."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field

from calib.recorded.top_recorder import TopRows

_NAN = math.nan


@dataclass(slots=True)
class MidLookup:
    """Distinct mids in time order, as `calib.recorded.mids.Mids`; looked up one moment at a time.

    Parameters
    ----------
    max_age_s
        How long a mid may be used after it was last observed, s.
    breaks_s
        Times at which the book became unknown, increasing.

    >>> mids = MidLookup(5.0, [2.5])
    >>> for time_s, mid in [(1.0, 10.0), (2.0, 10.0), (3.0, 10.0), (4.0, 11.0)]:
    ...     mids.observe(time_s, mid)
    >>> mids.times_s.tolist(), mids.seen_s.tolist()
    ([1.0, 3.0, 4.0], [2.0, 3.0, 4.0])
    >>> mids.at(2.2), mids.at(2.6), mids.at(3.5), mids.broken(2.2, 3.2)
    (10.0, nan, 10.0, True)
    """

    max_age_s: float
    breaks_s: list[float]
    times_s: array[float] = field(default_factory=lambda: array("d"))
    """Start of each, s, strictly increasing."""
    values: array[float] = field(default_factory=lambda: array("d"))
    seen_s: array[float] = field(default_factory=lambda: array("d"))
    """Time of the last observation of each."""

    @classmethod
    def of(cls, rows: TopRows, clock: str, max_age_s: float) -> MidLookup:
        """The mids on the clock ``receive`` or ``exchange``."""
        exchange = clock == "exchange"
        starts, ends = (rows.columns[1], rows.columns[3]) if exchange else (rows.columns[0], rows.columns[2])
        lookup = cls(max_age_s, sorted(filter(math.isfinite, rows.breaks[exchange])))
        # Receive times may go back a little; the order of the lines is the venue's.
        latest, last = -math.inf, None
        for start, end, bid, ask in zip(starts, ends, *rows.columns[4:6], strict=True):
            mid = (bid + ask) / 2
            for moment in (start, max(start, end)):
                if math.isfinite(moment):
                    if last is not None and moment > latest:
                        lookup.observe(latest, last)  # of equal times the last counts
                    latest, last = max(latest, moment), mid
        if last is not None:
            lookup.observe(latest, last)
        return lookup

    def observe(self, time_s: float, mid: float) -> None:
        """Take the next observation, later than those before."""
        if self.times_s:
            before = self.seen_s[-1]
            breaks = self.breaks_s
            known = time_s - before <= self.max_age_s and bisect_right(breaks, time_s) == bisect_right(breaks, before)
            if known and mid - self.values[-1] == 0:
                self.seen_s[-1] = time_s
                return
        self.times_s.append(time_s)
        self.values.append(mid)
        self.seen_s.append(time_s)

    def at(self, moment_s: float) -> float:
        """The last mid at or before the time; NaN after the end, across a gap or if too old."""
        place = bisect_right(self.times_s, moment_s) - 1
        if place < 0:
            return _NAN
        until = min(self.seen_s[place] + self.max_age_s, self.seen_s[-1])
        after = bisect_right(self.breaks_s, self.times_s[place])
        if after < len(self.breaks_s):
            until = min(until, self.breaks_s[after])
        return self.values[place] if moment_s <= until else _NAN

    def broken(self, from_s: float, to_s: float) -> bool:
        """Whether a break is after ``from_s`` and at or before ``to_s``."""
        return bisect_right(self.breaks_s, to_s) > bisect_right(self.breaks_s, from_s)

    def median_gap_s(self) -> float:
        """Median time between changes of the mid; infinite with fewer than two."""
        gaps = sorted(later - earlier for earlier, later in zip(self.times_s, self.times_s[1:], strict=False))
        if not gaps:
            return math.inf
        half = len(gaps) // 2
        return gaps[half] if len(gaps) % 2 else (gaps[half - 1] + gaps[half]) / 2
