"""The options of a fit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Settings of `calib fit` and `calib markout`.

    Parameters
    ----------
    level
        Confidence level of every interval.
    cluster_s
        Fills within one calendar block of this length may be correlated, s.
    min_delta_bps
        A quote at this distance from the mid or closer counts as run over; use half the typical spread on a venue whose
        book includes our own orders.
    max_mid_age_s
        Validity of a mid after it was last observed, s.
    gammas
        Risk aversions for which to compute quotes, 1/bps per unit of inventory; empty: no quotes.
    clock_shift_s
        How far the bot's clock, which is that of the quotes, is ahead of the book's, s; None: measured if the
        exchange's clock is used.
    """

    level: float = 0.95
    cluster_s: float = 60.0
    min_delta_bps: float = 0.0
    max_mid_age_s: float = 5.0
    gammas: tuple[float, ...] = ()
    clock_shift_s: float | None = None
