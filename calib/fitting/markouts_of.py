"""The markout of each fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calib.fitting.arrays import Bools, Floats
from calib.fitting.rows import FillRows, TradeRows
from calib.recorded.mids import Mids


@dataclass(frozen=True, slots=True)
class FillMarkouts:
    """Fills of one symbol with the mids around them; everything in bps of M0.

    Parameters
    ----------
    sign, weight
        +1 buy, -1 sell; price times quantity.
    time_s
        Time of the fill, on the clock of the mids.
    aggressor
        D: the aggressor's side; for our maker fills -sign.
    price, fee_bps
        Price and fee of the fill.
    before
        The mid strictly before the fill, M.
    at_fill
        M1: ``mid_now`` of the line, else the mid at or before the fill. It may include the fill's own impact.
    base
        M0: ``mid_at_quote``, else ``mid_now``, else M1.
    later
        M_h, one row per horizon; NaN after the end of the mids, across a gap or if too old.
    """

    sign: Floats
    weight: Floats
    time_s: Floats
    aggressor: Floats
    price: Floats
    fee_bps: Floats
    before: Floats
    at_fill: Floats
    base: Floats
    later: Floats

    def usable(self, horizon: int) -> Bools:
        """Fills with every mid that this horizon needs; all figures of a row are computed over them."""
        known = np.isfinite(self.later[horizon]) & np.isfinite(self.before) & np.isfinite(self.at_fill)
        return np.asarray(known & np.isfinite(self.base))

    def markout(self, horizon: int) -> Floats:
        """m_h = s (M_h - M1) / M0, bps: positive is good for us."""
        return np.asarray(self.sign * (self.later[horizon] - self.at_fill) / self.base * 1e4)

    def net(self, horizon: int) -> Floats:
        """net_h = s (M_h - p) / M0 - fee, bps."""
        return np.asarray(self.sign * (self.later[horizon] - self.price) / self.base * 1e4 - self.fee_bps)

    def realised(self, horizon: int) -> Floats:
        """Realised spread 2 D (p - M_h) / M0, bps."""
        return np.asarray(2 * self.aggressor * (self.price - self.later[horizon]) / self.base * 1e4)

    def impact(self, horizon: int) -> Floats:
        """Price impact D (M_h - M) / M0, bps; effective spread = realised + 2 impact."""
        return np.asarray(self.aggressor * (self.later[horizon] - self.before) / self.base * 1e4)


def fill_markouts(
    fills: FillRows, time_s: Floats, mids: Mids, horizons_s: tuple[float, ...], max_age_s: float
) -> FillMarkouts:
    """Look up the mids around each of our fills.

    Parameters
    ----------
    time_s
        Times of the fills on the clock of the mids.
    """
    before = mids.at(time_s, max_age_s, before=True)
    at_fill = np.where(np.isnan(fills.mid_now), mids.at(time_s, max_age_s), fills.mid_now)
    base = np.where(np.isnan(fills.mid_at_quote), at_fill, fills.mid_at_quote)
    return FillMarkouts(
        fills.sign,
        fills.price * fills.qty,
        time_s,
        np.where(fills.maker, -fills.sign, fills.sign),
        fills.price,
        fills.fee_bps,
        before,
        at_fill,
        base,
        _later(time_s, mids, horizons_s, max_age_s),
    )


def trade_markouts(
    trades: TradeRows,
    time_s: Floats,
    mids: Mids,
    horizons_s: tuple[float, ...],
    max_age_s: float,
    *,
    before: bool = True,
) -> FillMarkouts:
    """The same for public trades, from the aggressor's side; M is used as M0 and M1.

    Parameters
    ----------
    before
        Whether M is the mid strictly before the trade, or the one at or before it.
    """
    level = mids.at(time_s, max_age_s, before=before)
    return FillMarkouts(
        trades.sign,
        trades.price * trades.qty,
        time_s,
        trades.sign,
        trades.price,
        np.zeros(len(trades)),
        level,
        level,
        level,
        _later(time_s, mids, horizons_s, max_age_s),
    )


def _later(time_s: Floats, mids: Mids, horizons_s: tuple[float, ...], max_age_s: float) -> Floats:
    """The mids at each horizon; unknown for horizons shorter than the median time between mids."""
    rows = []
    gap = mids.median_gap_s()
    for horizon in horizons_s:
        level = mids.at(time_s + horizon, max_age_s)
        level[mids.broken(time_s, time_s + horizon)] = np.nan
        rows.append(np.full(len(time_s), np.nan) if gap > horizon else level)
    return np.array(rows).reshape(len(horizons_s), len(time_s))
