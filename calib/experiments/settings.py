"""The settings of an experiment, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from calib.config import Setting, check_fields, setting, settings_of
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

    decision: str = setting(
        "sequential",
        "Decision that acts; the other stands beside it",
        choices=("threshold", "sequential"),
        renamed={"seed": "threshold", "sound": "sequential"},
    )
    assignment: str = setting("hash", "Rule that deals symbols to arms", choices=("hash", "rank", "switchback"))
    salt: str = setting("ab", "Name of the experiment; another salt deals anew")
    block_s: float = setting(60.0, "Length of a block, s", 1, 86400)
    grace_s: float = setting(60.0, "Time after its end in which a block takes fills of its quotes, s", 0, 86400)
    eval_s: float = setting(5.0, "Step of the evaluation grid, s", 0.1, 3600)
    lateness_s: float = setting(5.0, "Delay of an evaluation behind its grid point, s", 0, 3600)
    hold_s: float = setting(600.0, "Threshold decision: time a gate must be violating, s", 0, 86400)
    window: int = setting(1000, "Records kept per arm and kind", 10, 1000000)
    window_s: float | None = setting(
        None, "Largest age of a record in a window, s; null for no bound", 1, kind="float", nullable=True
    )
    min_fills: int = setting(30, "Fills an arm needs for a verdict", 1)
    min_ticks: int = setting(30, "Tick lines an arm needs for a verdict", 1)
    max_gap_fills_s: float = setting(300.0, "Longest silence of fills that counts as covered, s", 1, 86400)
    max_gap_ticks_s: float = setting(60.0, "Longest silence of ticks that counts as covered, s", 1, 86400)
    min_coverage: float = setting(0.5, "Share of a violation's time that data must cover", 0, 1)
    slippage_margin_bps: float = gates.SlippageDegradation.setting.default
    taker_margin: float = gates.TakerShareIncrease.setting.default
    latency_margin_ratio: float = gates.LatencyRegression.setting.default
    max_deadline_miss_rate: float = gates.DeadlineMissSpike.setting.default
    alpha: float = setting(0.05, "Sequential decision: false rollbacks tolerated, over all gates", 0.0001, 0.5)
    warmup_blocks: int = setting(5, "Sequential decision: blocks that only set the scale", 2, 1000)
    horizon_s: float = setting(7200.0, "Sequential decision: time the tests are tuned for, s", 60)
    nodata: str = setting("hold", "What missing data of B leads to, after ab.hold_s", choices=("hold", "rollback"))
    srm_policy: str = setting(
        "rollback",
        "What a sample-ratio mismatch leads to: hold, or rollback where B lacks data or a gate is over its limit",
        choices=("hold", "rollback"),
    )
    treatment_from: float | None = setting(
        None, "Persistent arms: when B began to differ, Unix s; before it both ran A", 0, kind="float", nullable=True
    )
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Thresholds of further gates, by the name of their setting."""

    def __post_init__(self) -> None:
        check_fields(self, all_settings(), "ab")
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


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """Which share of the symbols runs B, and which symbols always run A or B; of the ``ab`` section too."""

    split: float = setting(0.5, "Share of the symbols in B; switchback takes 0.5 only", 0, 1)
    whitelist: tuple[str, ...] = setting((), "Symbols that are always in B")
    blacklist: tuple[str, ...] = setting((), "Symbols that are always in A")


def all_settings() -> dict[str, Setting]:
    """The ``ab`` section: the experiment's own settings, the threshold of each gate, the routing."""
    thresholds = {kind.setting.key: kind.setting for kind in gates.GATES}
    return settings_of(ABSettings, "ab") | thresholds | settings_of(RoutingSettings, "ab")


SETTINGS: Final[dict[str, Setting]] = all_settings()
"""The ``ab`` section."""
