"""What is asked of a fit beside its range."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Settings of `calib fit` and `calib markout`.

    Parameters
    ----------
    level
        Of every interval.
    cluster_s
        Fills within one calendar block of this length may depend on each other, s.
    min_delta_bps
        Distance at and below which a quote counts as run over; half the usual spread on a venue whose book holds our
        own orders.
    max_mid_age_s
        How long a mid stands after it was last seen, s.
    gammas
        Risk aversions to give quotes for, 1/bps a unit of inventory; none: no quotes.
    clock_shift_s
        How far the bot's clock, on which quotes are opened, is ahead of the book's, s; None: measured where the
        exchange's clock is used.
    """

    level: float = 0.95
    cluster_s: float = 60.0
    min_delta_bps: float = 0.0
    max_mid_age_s: float = 5.0
    gammas: tuple[float, ...] = ()
    clock_shift_s: float | None = None
