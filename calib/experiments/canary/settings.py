"""The knobs of a canary, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from calib.config import SETTINGS
from calib.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the schedule."""

    split: float
    """Share of the symbols that use the cache, a fraction."""
    min_s: float
    """Covered time that the step must last before the next, s."""


def parse_steps(texts: tuple[str, ...] | list[str]) -> tuple[Step, ...]:
    """The schedule from ``SPLIT:SECONDS`` texts.

    Raises
    ------
    ConfigError
        Where a text is none, or the splits do not grow to 1.

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
            f"{', '.join(texts)} is not a schedule",
            where="canary.steps",
            hint="Growing SPLIT:SECONDS up to 1, as in 0.1:600,0.5:600,1:1800",
        )
    return steps


@dataclass(frozen=True, slots=True)
class CanarySettings:
    """What a canary holds to; the keys and ranges of ``canary.*`` in `calib.config`."""

    steps: tuple[str, ...] | list[str] = ("0.1:600", "0.5:600", "1:1800")
    salt: str = "canary"
    decision: str = "sequential"
    """``sequential``: a test over the whole rollout; ``threshold``: one look over the margin rolls back."""
    alpha: float = 0.05
    """Sequential decision: false rollbacks tolerated over the whole rollout."""
    block_s: float = 30.0
    """Sequential decision: shortest length of a block, s."""
    min_hit_ratio: float = 0.5
    max_fetch_increase: float = 0.15
    max_fetch_increase_absolute: float = 0.5
    """Sequential decision: a larger rise over the baseline rolls back, whatever the symbols without the cache do."""
    warmup_s: float = 120.0
    window_s: float = 600.0
    min_ticks: int = 100
    max_gap_s: float = 60.0
    shadow_s: float = 3600.0
    shadow_min_hit_ratio: float = 0.7
    shadow_max_fetch_ms: float = 35.0
    shadow_max_tick_ms: float = 150.0
    shadow_max_deadline_miss_rate: float = 0.02
    deadline_ms: float | None = None
    """The bot's deadline: lateness in shadow is then judged with the cache in place; else as it was logged."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            setting = SETTINGS[f"canary.{field.name}"]
            number = float(value) if setting.kind == "float" and isinstance(value, int) else value
            object.__setattr__(self, field.name, setting.check(number, f"canary.{field.name}"))
        parse_steps(self.steps)

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> CanarySettings:
        """From ``Config.section("canary")``."""
        return cls(**section)

    def as_data(self) -> dict[str, Any]:
        """Every setting by its name below ``canary.``, as plain values."""
        return asdict(self)

    @property
    def schedule(self) -> tuple[Step, ...]:
        """The steps, the smallest split first."""
        return parse_steps(self.steps)
