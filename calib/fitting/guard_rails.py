"""What a publication may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class GuardRails:
    """What a publication may change.

    Parameters
    ----------
    max_age_s
        How long a published fit is valid after its range, s.
    max_move_per_day
        Largest change of half and skew from the published ones, a day between the two fits.
    min_half_bps, max_half_bps
        Bounds of the half-spread, bps.
    max_half_width
        A row with a relatively wider interval of the half-spread is held.
    """

    max_age_s: float = 2 * DAY_S
    max_move_per_day: float = 0.25
    min_half_bps: float = 0.0
    max_half_bps: float = 100.0
    max_half_width: float = 0.5
