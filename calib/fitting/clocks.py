"""The clock of a symbol, and its mids on that clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from calib.fitting.arrays import Floats
from calib.fitting.joins import one_clock
from calib.fitting.loading import SymbolRows
from calib.fitting.options import FitOptions
from calib.recorded.mids import Mids

COARSE_SHARE: Final = 0.1
"""Mids from ticks are used only if their distance is at most this fraction of the life of a quote."""
MAX_LAG_GAP_S: Final = 1.0
"""If the lags of book and fills differ by more, s, their clocks cannot be aligned."""


@dataclass(frozen=True, slots=True)
class OneClock:
    """The mids of a symbol and their clock.

    Parameters
    ----------
    mids
        The mids; may be empty.
    clock
        ``exchange`` or ``receive``.
    shift_s
        How far the bot's clock is ahead, s.
    source
        ``book``, ``ticks`` or ``none``.
    gap_s
        Median time between the lines from which the mids come; infinite with fewer than two.
    agree
        False if the lags of book and fills against the venue's time differ by more than a second.
    """

    mids: Mids
    clock: str
    shift_s: float
    source: str
    gap_s: float
    agree: bool

    def fill_times(self, ts: Floats, ts_exchange: Floats) -> Floats:
        """Times of lines on this clock; lines without the venue's time are shifted by the measured lag."""
        if self.clock == "receive":
            return ts
        return np.where(np.isnan(ts_exchange), ts - self.shift_s, ts_exchange)


def one_clock_of(rows: SymbolRows, options: FitOptions) -> OneClock:
    """Select the clock: the exchange's if book and fills have it, else the receive time."""
    tops = rows.tops
    if tops is None or not len(tops.ts):
        known = np.isfinite(rows.ticks.mid)
        mids = Mids.of(rows.ticks.ts[known], rows.ticks.mid[known], source="ticks")
        gap = float(np.median(np.diff(rows.ticks.ts[known]))) if known.sum() > 1 else np.inf
        return OneClock(mids, "receive", options.clock_shift_s or 0.0, "ticks" if known.any() else "none", gap, True)
    lines = rows.fills if len(rows.fills) else rows.trades
    has = np.isfinite(lines.ts_exchange)
    share = float(has.mean()) if len(lines) else 1.0
    clock = one_clock(tops.exchange_share, share)
    measured = tops.lag_s or 0.0 if clock == "exchange" else 0.0
    shift = measured if options.clock_shift_s is None else options.clock_shift_s
    lag = float(np.median((lines.ts - lines.ts_exchange)[has])) if has.any() else None
    agree = clock == "receive" or lag is None or abs(lag - measured) <= MAX_LAG_GAP_S
    mids = tops.mids(clock, options.max_mid_age_s)
    return OneClock(mids, clock, shift, "book", mids.median_gap_s(), agree)


def too_coarse(one: OneClock, median_life_s: float) -> bool:
    """Whether mids from ticks are too far apart to determine the distance of quotes."""
    return one.source == "ticks" and one.gap_s > COARSE_SHARE * median_life_s
