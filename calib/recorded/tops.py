"""The best levels of a recorded book over time as arrays of numpy, on both clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from calib.recorded.arrays import Floats
from calib.recorded.mids import Mids
from calib.recorded.top_recorder import TopRecorder, TopRows


@dataclass(frozen=True, slots=True)
class Tops:
    """The best levels of one symbol, one row per change.

    Parameters
    ----------
    ts, ts_exchange
        Start of the row by receive time and venue time, s; NaN if a line does not have it.
    seen, seen_exchange
        Time of the last message before the levels changed.
    bid, ask, bid_qty, ask_qty
        The levels.
    breaks, breaks_exchange
        Times at which the book became unknown because of a sequence gap.
    lines, exchange_lines
        Number of lines, and of those with ``ts_exchange``.
    lag_s
        Median of ts - ts_exchange over lines with both; None if there are none.
    crossed
        Number of lines after which the book was crossed; their mids are skipped.
    """

    ts: Floats
    ts_exchange: Floats
    seen: Floats
    seen_exchange: Floats
    bid: Floats
    ask: Floats
    bid_qty: Floats
    ask_qty: Floats
    breaks: Floats
    breaks_exchange: Floats
    lines: int
    exchange_lines: int
    lag_s: float | None
    crossed: int

    @classmethod
    def of(cls, rows: TopRows) -> Tops:
        """From the rows that a `TopRecorder` made."""
        columns: list[Any] = [np.array(column, float) for column in (*rows.columns, *rows.breaks)]
        lag = float(np.median(np.array(rows.lags, float))) if len(rows.lags) else None
        counts: tuple[Any, ...] = (rows.lines, rows.exchange_lines, lag, rows.crossed)
        return cls(*columns, *counts)

    @property
    def exchange_share(self) -> float:
        """Fraction of the lines with the venue's time."""
        return self.exchange_lines / self.lines if self.lines else 0.0

    def mids(self, clock: str, max_age_s: float) -> Mids:
        """The distinct mids on the clock ``receive`` or ``exchange``; one not observed for ``max_age_s`` ends."""
        times, seen, breaks = self._times(clock)
        mid = (self.bid + self.ask) / 2
        doubled = np.ravel(np.column_stack([times, np.maximum(seen, times)]))
        values = np.repeat(mid, 2)
        known = np.isfinite(doubled)
        # Receive times may go back a little; the order of the lines is the venue's.
        rising = np.maximum.accumulate(doubled[known])
        return Mids.of(rising, values[known], breaks[np.isfinite(breaks)], max_step_s=max_age_s)

    def at(self, moments: Floats, clock: str) -> tuple[Floats, Floats, Floats, Floats]:
        """bid, ask, bid_qty, ask_qty at or before each time; NaN before the first."""
        times = np.maximum.accumulate(np.where(np.isfinite(self._times(clock)[0]), self._times(clock)[0], -np.inf))
        place = np.searchsorted(times, moments, side="right") - 1
        held = np.maximum(place, 0)
        columns = (self.bid, self.ask, self.bid_qty, self.ask_qty)
        if not len(self.ts):
            nothing = np.full(len(moments), np.nan)
            return nothing, nothing, nothing, nothing
        first, second, third, fourth = (np.where(place >= 0, column[held], np.nan) for column in columns)
        return first, second, third, fourth

    def _times(self, clock: str) -> tuple[Floats, Floats, Floats]:
        if clock == "exchange":
            return self.ts_exchange, self.seen_exchange, self.breaks_exchange
        return self.ts, self.seen, self.breaks


__all__ = ["TopRecorder", "Tops"]
