"""The settings of fits, markouts and publications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.config import Setting, setting, settings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """The ``fit`` section; markouts share ``max_mid_age_s`` and ``level``."""

    gamma: tuple[str, ...] = setting((), "Risk aversions to give quotes for, 1/bps a unit of inventory; empty: none")
    min_delta_bps: float = setting(
        0.0, "Distance from the mid at and below which a quote counts as run over, bps", -1000, 1000
    )
    max_mid_age_s: float = setting(5.0, "How long a mid stands after it was last seen, s", 0.001, 3600)
    level: float = setting(0.95, "Level of every interval", 0.5, 0.9999)
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
    """The ``publish`` section: what a publication may change, and how long it is valid."""

    max_age_s: float = setting(172800.0, "How long a published fit is valid after its range, s", 60, 31536000)
    max_move_ratio: float = setting(0.25, "Largest change of half and skew a day, as a ratio", 0.0001, 10)
    min_half_bps: float = setting(0.0, "Least half-spread, bps", 0, 10000)
    max_half_bps: float = setting(100.0, "Largest half-spread, bps", 0, 10000)
    max_half_width_ratio: float = setting(
        0.5, "Half-width of the half-spread's interval past which a row is held, as a ratio", 0.0001, 10
    )


SETTINGS: Final[dict[str, Setting]] = settings_of(FitSettings, "fit") | settings_of(PublishSettings, "publish")
