"""The settings of the policy: directory of the emergency state, requirements of a resume, timeouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.config import Setting, check_fields, setting, settings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """The ``policy`` section.

    Raises
    ------
    calib.errors.ConfigError
        For a value outside its range.

    >>> PolicySettings().residual_monitoring_s
    3600.0
    """

    state: str | None = setting(
        None,
        "Directory of the emergency's state and audit; null: policy/ below out",
        kind="str",
        nullable=True,
        metavar="DIR",
    )
    min_paper_trading_s: float = setting(
        0.0, "Minimum duration of paper trading between the last validation and a resume, s", 0, 31_536_000
    )
    residual_monitoring_s: float = setting(3600.0, "Time of residual monitoring after a resume, s", 0, 31_536_000)
    step_timeout_s: float = setting(5.0, "Timeout of one step of the emergency procedure, s", 0.01, 3600)
    future_tolerance_s: float = setting(1.0, "Tolerance for time stamps in the future, s", 0, 60)

    def __post_init__(self) -> None:
        check_fields(self, SETTINGS, "policy")


SETTINGS: Final[dict[str, Setting]] = settings_of(PolicySettings, "policy")
