"""The knobs of an experiment, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from calib.config import Setting, check_fields, setting, settings_of
from calib.experiments.gates import (
    DeadlineMissSpike,
    Gate,
    LatencyRegression,
    SlippageDegradation,
    TakerShareIncrease,
)


@dataclass(frozen=True, slots=True)
class ABSettings:
    """What an experiment holds to; the ``ab`` section but for the routing.

    Raises
    ------
    ConfigError
        For a value out of its range.
    """

    decision: str = setting("seed", "Decision that acts; the other stands beside it", choices=("seed", "sound"))
    assignment: str = setting("hash", "Rule that deals symbols to arms", choices=("hash", "rank", "switchback"))
    salt: str = setting("ab", "Name of the experiment; another salt deals anew")
    block_s: float = setting(60.0, "Length of a block, s", 1, 86400)
    grace_s: float = setting(60.0, "Time after its end in which a block takes fills of its quotes, s", 0, 86400)
    eval_s: float = setting(5.0, "Step of the evaluation grid, s", 0.1, 3600)
    lateness_s: float = setting(5.0, "Delay of an evaluation behind its grid point, s", 0, 3600)
    hold_s: float = setting(600.0, "Seed decision: time a gate must be violating, s", 0, 86400)
    window: int = setting(1000, "Records kept per arm and kind", 10, 1000000)
    window_s: float | None = setting(
        None, "Largest age of a record in a window, s; null for no bound", 1, kind="float", nullable=True
    )
    min_fills: int = setting(30, "Fills an arm needs for a verdict", 1)
    min_ticks: int = setting(30, "Tick lines an arm needs for a verdict", 1)
    max_gap_fills_s: float = setting(300.0, "Longest silence of fills that counts as covered, s", 1, 86400)
    max_gap_ticks_s: float = setting(60.0, "Longest silence of ticks that counts as covered, s", 1, 86400)
    min_coverage: float = setting(0.5, "Share of a violation's time that data must cover", 0, 1)
    slippage_margin_bps: float = setting(0.0, "Gate slippage_degradation: tolerated worsening, bps", 0)
    taker_margin: float = setting(0.01, "Gate taker_share_increase: tolerated increase; 0.01 is 1 p.p.", 0, 0.5)
    latency_margin_ratio: float = setting(0.1, "Gate latency_regression: tolerated rise of p95; 0.1 is +10 %", 0, 10)
    max_deadline_miss_rate: float = setting(0.02, "Gate deadline_miss_spike: largest share of late ticks", 0.0001, 0.5)
    alpha: float = setting(0.05, "Sound decision: false rollbacks tolerated, over all gates", 0.0001, 0.5)
    warmup_blocks: int = setting(5, "Sound decision: blocks that only set the scale", 2, 1000)
    horizon_s: float = setting(7200.0, "Sound decision: time the tests are tuned for, s", 60)
    nodata: str = setting("hold", "What missing data of B leads to, after ab.hold_s", choices=("hold", "rollback"))
    treatment_from: float | None = setting(
        None, "Persistent arms: when B began to differ, Unix s; before it both ran A", 0, kind="float", nullable=True
    )

    def __post_init__(self) -> None:
        check_fields(self, SETTINGS, "ab")

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


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """Which share of the symbols runs B, and which symbols always run A or B; of the ``ab`` section too."""

    split: float = setting(0.5, "Share of the symbols in B; switchback takes 0.5 only", 0, 1)
    whitelist: tuple[str, ...] = setting((), "Symbols that are always in B")
    blacklist: tuple[str, ...] = setting((), "Symbols that are always in A")


SETTINGS: Final[dict[str, Setting]] = settings_of(ABSettings, "ab") | settings_of(RoutingSettings, "ab")
"""The ``ab`` section."""
