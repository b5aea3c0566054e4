"""The knobs of an experiment, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from calib.config import SETTINGS
from calib.experiments.gates import (
    DeadlineMissSpike,
    Gate,
    LatencyRegression,
    SlippageDegradation,
    TakerShareIncrease,
)


@dataclass(frozen=True, slots=True)
class ABSettings:
    """What an experiment holds to; the keys and ranges of ``ab.*`` in `calib.config`.

    Raises
    ------
    ConfigError
        For a value out of its range.
    """

    decision: str = "seed"
    """Which decision acts: ``seed`` or ``sound``; the other is reported beside it."""
    assignment: str = "hash"
    salt: str = "ab"
    block_s: float = 60.0
    grace_s: float = 60.0
    """How long after its end a block still takes fills of its quotes, s."""
    eval_s: float = 5.0
    """Step of the event-time grid, s."""
    lateness_s: float = 5.0
    """A grid point is judged so much later: records of other threads may come a little late, s."""
    hold_s: float = 600.0
    window: int = 1000
    window_s: float | None = None
    min_fills: int = 30
    min_ticks: int = 30
    max_gap_fills_s: float = 300.0
    max_gap_ticks_s: float = 60.0
    min_coverage: float = 0.5
    slippage_margin_bps: float = 0.0
    taker_margin: float = 0.01
    latency_margin_ratio: float = 0.10
    max_deadline_miss_rate: float = 0.02
    alpha: float = 0.05
    warmup_blocks: int = 5
    horizon_s: float = 7200.0
    nodata: str = "hold"
    """What missing data of B (while A has some) leads to: ``hold`` waits, ``rollback`` acts after ``hold_s``."""
    treatment_from: float | None = None
    """Persistent arms: when B began to differ, Unix s; both arms ran A before (the pre-period)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if f"ab.{field.name}" in SETTINGS:
                value = getattr(self, field.name)
                setting = SETTINGS[f"ab.{field.name}"]
                number = float(value) if setting.kind == "float" and isinstance(value, int) else value
                object.__setattr__(self, field.name, setting.check(number, f"ab.{field.name}"))

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> ABSettings:
        """From ``Config.section("ab")``; keys that are not an experiment's own are left out."""
        own = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in section.items() if name in own})

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The four gates with these thresholds."""
        return (
            SlippageDegradation(self.slippage_margin_bps),
            TakerShareIncrease(self.taker_margin),
            LatencyRegression(self.latency_margin_ratio),
            DeadlineMissSpike(self.max_deadline_miss_rate),
        )

    def max_gap_s(self, kind: str) -> float:
        """The longest silence of a kind that counts as covered, s."""
        return self.max_gap_fills_s if kind == "fills" else self.max_gap_ticks_s

    def min_records(self, kind: str) -> int:
        """Fewest records of an arm that a verdict needs."""
        return self.min_fills if kind == "fills" else self.min_ticks
