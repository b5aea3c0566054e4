"""Limits on what a publication may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class GuardRails:
    """Limits on what a publication may change.

    Parameters
    ----------
    max_age_s
        How long a published fit is valid after the end of its range, s.
    max_move_per_day
        Maximum relative change of half and skew, per day between the two fits.
    min_half_bps, max_half_bps
        Limits of the half-spread, bps.
    max_half_width
        A row whose half-spread has a larger relative half-width of its interval is held.
    """

    max_age_s: float = 2 * DAY_S
    max_move_per_day: float = 0.25
    min_half_bps: float = 0.0
    max_half_bps: float = 100.0
    max_half_width: float = 0.5
