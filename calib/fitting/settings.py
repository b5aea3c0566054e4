"""The settings of fits, markouts and publications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.config import Setting, setting, settings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """The ``fit`` section; markouts share ``max_mid_age_s`` and ``level``."""

    gamma: tuple[str, ...] = setting(
        (), "Risk aversions for which to compute quotes, 1/bps per unit of inventory; empty: none"
    )
    min_delta_bps: float = setting(
        0.0, "A quote at this distance from the mid or closer counts as run over, bps", -1000, 1000
    )
    max_mid_age_s: float = setting(5.0, "Validity of a mid after it was last observed, s", 0.001, 3600)
    level: float = setting(0.95, "Confidence level of every interval", 0.5, 0.9999)
    clock_shift_s: float | None = setting(
        None,
        "How far the bot's clock is ahead of the book's, s; null: measured",
        -86400,
        86400,
        kind="float",
        nullable=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishSettings:
    """The ``publish`` section: limits on what a publication may change, and its validity."""

    max_age_s: float = setting(
        172800.0, "How long a published fit is valid after the end of its range, s", 60, 31536000
    )
    max_move_ratio: float = setting(0.25, "Maximum change of half and skew per day, as a ratio", 0.0001, 10)
    min_half_bps: float = setting(0.0, "Minimum half-spread, bps", 0, 10000)
    max_half_bps: float = setting(100.0, "Maximum half-spread, bps", 0, 10000)
    max_half_width_ratio: float = setting(
        0.5, "Maximum relative half-width of the half-spread's interval; a row beyond it is held", 0.0001, 10
    )


SETTINGS: Final[dict[str, Setting]] = settings_of(FitSettings, "fit") | settings_of(PublishSettings, "publish")
