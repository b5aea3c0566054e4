"""The limits of `calib check --ready`, in addition to those of the canary's shadow phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.config import Setting, check_fields, setting, settings_of


@dataclass(frozen=True, slots=True)
class ReadinessSettings:
    """The ``ready`` section."""

    min_hours: float = setting(12.0, "Minimum hours with data", 0)
    min_kept_ratio: float = setting(0.8, "Minimum share of the intervals that the filters keep", 0, 1)
    min_fills: int = setting(30, "Minimum number of fills per symbol in its kept intervals", 0)
    min_fetch_gain_ms: float = setting(20.0, "Minimum reduction of the p95 of fetch_md by the cache, ms", 0)
    max_gap_ratio: float = setting(0.05, "Maximum share of the intervals dropped by ws_gap", 0, 1)
    max_clock_behind_ratio: float = setting(
        0.01, "Maximum share of fills stamped before the exchange's own time (the bot's clock is behind)", 0, 1
    )

    def __post_init__(self) -> None:
        check_fields(self, SETTINGS, "ready")


SETTINGS: Final[dict[str, Setting]] = settings_of(ReadinessSettings, "ready")
"""The ``ready`` section."""
