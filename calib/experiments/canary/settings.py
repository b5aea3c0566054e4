"""The settings of a canary, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from calib.config import Setting, check_fields, setting, settings_of
from calib.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the schedule."""

    split: float
    """Share of the symbols that use the cache, a fraction."""
    min_s: float
    """Minimum covered time of the step before the next, s."""


def parse_steps(texts: tuple[str, ...] | list[str]) -> tuple[Step, ...]:
    """Parse the schedule from ``SPLIT:SECONDS`` texts.

    Raises
    ------
    ConfigError
        If a text is invalid, or the splits do not increase to 1.

    >>> parse_steps(["0.1:600", "1:1800"])
    (Step(split=0.1, min_s=600.0), Step(split=1.0, min_s=1800.0))
    """
    try:
        steps = tuple(Step(float(split), float(seconds)) for split, seconds in (text.split(":") for text in texts))
    except ValueError:
        steps = ()
    splits = [step.split for step in steps]
    growing = splits == sorted(set(splits)) and splits[:1] != [0.0] and splits[-1:] == [1.0]
    if not growing or any(not 0 < step.split <= 1 or step.min_s < 0 for step in steps):
        raise ConfigError(
            f"{', '.join(texts)} is not a valid schedule",
            where="canary.steps",
            hint="Give SPLIT:SECONDS with splits that increase to 1, for example 0.1:600,0.5:600,1:1800",
        )
    return steps


@dataclass(frozen=True, slots=True)
class CanarySettings:
    """The settings of a canary; the ``canary`` section."""

    steps: tuple[str, ...] | list[str] = setting(
        (
            "0.1:600",
            "0.5:600",
            "1:1800",
        ),
        "Schedule: share of the symbols : time, s",
    )
    salt: str = setting("canary", "Name of the canary; it determines which symbols come first")
    decision: str = setting(
        "sequential",
        "Rule for a rise of fetch_md: a sequential test over the whole rollout, or a threshold at each check",
        choices=("sequential", "threshold"),
    )
    alpha: float = setting(0.05, "Sequential decision: false rollbacks tolerated over the whole rollout", 0.0001, 0.4)
    block_s: float = setting(30.0, "Sequential decision: shortest length of a block, s", 5, 3600)
    min_hit_ratio: float = setting(0.5, "Gate: a lower hit ratio rolls back", 0, 1)
    max_fetch_increase: float = setting(0.15, "Gate: a higher rise of fetch_md p95 rolls back", 0, 10)
    max_fetch_increase_absolute: float = setting(
        0.5, "Sequential decision: a higher rise over the baseline rolls back at once", 0, 10
    )
    warmup_s: float = setting(120.0, "Warm-up at the start of a step, not evaluated, s", 0, 86400)
    window_s: float = setting(600.0, "Window that a step is evaluated on, s", 10, 86400)
    min_ticks: int = setting(100, "Minimum number of tick lines for a verdict", 1)
    max_gap_s: float = setting(60.0, "Longest gap between ticks that counts as covered, s", 1, 86400)
    shadow_s: float = setting(3600.0, "Time in shadow before the first step, s", 0, 604800)
    shadow_min_hit_ratio: float = setting(0.7, "Shadow: minimum hit ratio", 0, 1)
    shadow_max_fetch_ms: float = setting(35.0, "Shadow: maximum fetch_md p95, ms", 0)
    shadow_min_gain_ms: float = setting(
        20.0, "Shadow: minimum improvement of fetch_md p95 over the direct fetch of the same ticks, ms", 0
    )
    shadow_max_tick_ms: float = setting(150.0, "Shadow: maximum tick_total p95, ms", 0)
    shadow_max_deadline_miss_rate: float = setting(0.02, "Shadow: the share of late ticks must be below", 0, 1)
    deadline_ms: float | None = setting(
        None,
        "The bot's deadline, ms, to recompute misses in shadow with the cache's times; null uses the logged misses",
        0,
        kind="float",
        nullable=True,
    )

    def __post_init__(self) -> None:
        check_fields(self, SETTINGS, "canary")
        parse_steps(self.steps)

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> CanarySettings:
        """Return the settings from ``Config.section("canary")``."""
        return cls(**section)

    def as_data(self) -> dict[str, Any]:
        """Return every setting by its name below ``canary.``, as plain values."""
        return asdict(self)

    @property
    def schedule(self) -> tuple[Step, ...]:
        """The steps, the smallest split first."""
        return parse_steps(self.steps)


SETTINGS: Final[dict[str, Setting]] = settings_of(CanarySettings, "canary")
"""The ``canary`` section."""
