"""The settings of an experiment, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from calib.config import SETTINGS
from calib.errors import ConfigError
from calib.experiments import gates
from calib.experiments.gates import Gate

_FINGERPRINT: Final = (
    "assignment",
    "salt",
    "block_s",
    "alpha",
    "warmup_blocks",
    "horizon_s",
    "treatment_from",
    "eval_s",
    "hold_s",
)
"""Settings whose change begins new tests; the thresholds of the gates come besides."""


@dataclass(frozen=True, slots=True)
class ABSettings:
    """What an experiment holds to; the keys and ranges of ``ab.*`` of the configuration.

    Raises
    ------
    ConfigError
        For a value out of its range.

    >>> ABSettings(decision="threshold", slippage_margin_bps=0.5).gates[0].bound(1.25)
    1.75
    """

    decision: str = "sequential"
    """Which decision acts: ``threshold`` or ``sequential``; the other is reported beside it."""
    assignment: str = "hash"
    salt: str = "ab"
    block_s: float = 60.0
    grace_s: float = 60.0
    """How long after its end a block still takes fills of its quotes, s."""
    eval_s: float = 5.0
    """Step of the event-time grid, s."""
    lateness_s: float = 5.0
    """A grid point is evaluated so much later: records of other threads may come a little late, s."""
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
    srm_policy: str = "rollback"
    """What a sample-ratio mismatch leads to: ``hold`` makes every gate INCONCLUSIVE; ``rollback`` acts where B lacks
    the data, and leaves a gate whose own test is over its limit in force."""
    treatment_from: float | None = None
    """Persistent arms: when B began to differ, Unix s; both arms ran A before (the pre-period)."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Thresholds of further gates, by the name of their setting."""

    def __post_init__(self) -> None:
        for known in fields(self):
            if f"ab.{known.name}" in SETTINGS:
                value = getattr(self, known.name)
                setting = SETTINGS[f"ab.{known.name}"]
                number = float(value) if setting.kind == "float" and isinstance(value, int) else value
                object.__setattr__(self, known.name, setting.check(number, f"ab.{known.name}"))
        further = {kind.setting_name(): kind.setting for kind in gates.GATES if not hasattr(self, kind.setting_name())}
        for name, value in self.thresholds.items():
            if name not in further:
                raise ConfigError(f"ab.{name} is not a threshold of a gate", where="thresholds", hint=_hint(further))
            further[name].check(value, f"ab.{name}")

    @classmethod
    def from_section(cls, section: Mapping[str, Any]) -> ABSettings:
        """From ``Config.section("ab")``; keys that are not an experiment's own are left out."""
        own = {known.name for known in fields(cls)} - {"thresholds"}
        further = {kind.setting_name() for kind in gates.GATES} - own
        return cls(
            **{name: value for name, value in section.items() if name in own},
            thresholds={name: value for name, value in section.items() if name in further},
        )

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Every gate with its threshold."""
        return tuple(kind(self._threshold(kind)) for kind in gates.GATES)

    def _threshold(self, kind: type[Gate]) -> float:
        name = kind.setting_name()
        return float(getattr(self, name, self.thresholds.get(name, kind.setting.default)))

    def max_gap_s(self, kind: str) -> float:
        """The longest silence of a kind that counts as covered, s."""
        return self.max_gap_fills_s if kind == "fills" else self.max_gap_ticks_s

    def min_records(self, kind: str) -> int:
        """Fewest records of an arm that a verdict needs."""
        return self.min_fills if kind == "fills" else self.min_ticks

    def fingerprint(self) -> dict[str, Any]:
        """What tests and timers rest on: a state with another fingerprint begins new ones."""
        thresholds = {kind.setting_name(): self._threshold(kind) for kind in gates.GATES}
        return {name: getattr(self, name) for name in _FINGERPRINT} | thresholds

    def as_data(self) -> dict[str, Any]:
        """Every setting by its name below ``ab.``, as plain values."""
        data: dict[str, Any] = asdict(self)
        further: dict[str, float] = data.pop("thresholds")
        return data | further


def _hint(names: Mapping[str, Any]) -> str:
    return f"Known: {', '.join(sorted(names))}" if names else "No further gate is registered"
