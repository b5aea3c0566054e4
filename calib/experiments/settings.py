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
"""Settings whose change starts new tests, as does a change of a gate's threshold."""


@dataclass(frozen=True, slots=True)
class ABSettings:
    """The settings of an experiment; keys and ranges are those of ``ab.*`` in the configuration.

    Raises
    ------
    ConfigError
        For a value out of its range.

    >>> ABSettings(decision="threshold", slippage_margin_bps=0.5).gates[0].bound(1.25)
    1.75
    """

    decision: str = setting(
        "sequential",
        "Decision that causes rollbacks; the other is only reported",
        choices=("threshold", "sequential"),
        renamed={"seed": "threshold", "sound": "sequential"},
    )
    assignment: str = setting("hash", "Rule that assigns symbols to arms", choices=("hash", "rank", "switchback"))
    salt: str = setting("ab", "Name of the experiment; another name gives another assignment")
    block_s: float = setting(60.0, "Length of a block, s", 1, 86400)
    grace_s: float = setting(60.0, "Time after its end in which a block accepts fills of its quotes, s", 0, 86400)
    eval_s: float = setting(5.0, "Step of the evaluation grid, s", 0.1, 3600)
    lateness_s: float = setting(5.0, "Delay of an evaluation behind its grid point, s", 0, 3600)
    hold_s: float = setting(600.0, "Threshold decision: time a gate must be violated, s", 0, 86400)
    window: int = setting(1000, "Number of records kept per arm and kind", 10, 1000000)
    window_s: float | None = setting(
        None, "Maximum age of a record in a window, s; null for no limit", 1, kind="float", nullable=True
    )
    min_fills: int = setting(30, "Minimum number of fills per arm for a verdict", 1)
    min_ticks: int = setting(30, "Minimum number of tick lines per arm for a verdict", 1)
    max_gap_fills_s: float = setting(300.0, "Longest gap between fills that counts as covered, s", 1, 86400)
    max_gap_ticks_s: float = setting(60.0, "Longest gap between ticks that counts as covered, s", 1, 86400)
    min_coverage: float = setting(0.5, "Minimum share of a violation's time that data must cover", 0, 1)
    slippage_margin_bps: float = gates.SlippageDegradation.setting.default
    taker_margin: float = gates.TakerShareIncrease.setting.default
    latency_margin_ratio: float = gates.LatencyRegression.setting.default
    max_deadline_miss_rate: float = gates.DeadlineMissSpike.setting.default
    alpha: float = setting(0.05, "Sequential decision: false rollbacks tolerated, over all gates", 0.0001, 0.5)
    warmup_blocks: int = setting(5, "Sequential decision: number of first blocks that only set the scale", 2, 1000)
    horizon_s: float = setting(7200.0, "Sequential decision: time that the tests are tuned for, s", 60)
    nodata: str = setting("hold", "Action if B has no data for ab.hold_s", choices=("hold", "rollback"))
    srm_policy: str = setting(
        "rollback",
        "Action on a sample-ratio mismatch: hold, or rollback if B lacks data or a gate is over its limit",
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
        """Return the settings from ``Config.section("ab")``; other keys of the section are ignored."""
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
        """Return the longest gap between records of a kind that counts as covered, s."""
        return self.max_gap_fills_s if kind == "fills" else self.max_gap_ticks_s

    def min_records(self, kind: str) -> int:
        """Return the minimum number of records per arm for a verdict."""
        return self.min_fills if kind == "fills" else self.min_ticks

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings that tests and timers depend on: a state with others is not resumed."""
        thresholds = {kind.setting_name(): self._threshold(kind) for kind in gates.GATES}
        return {name: getattr(self, name) for name in _FINGERPRINT} | thresholds

    def as_data(self) -> dict[str, Any]:
        """Return every setting by its name below ``ab.``, as plain values."""
        data: dict[str, Any] = asdict(self)
        further: dict[str, float] = data.pop("thresholds")
        return data | further


def _hint(names: Mapping[str, Any]) -> str:
    return f"Known: {', '.join(sorted(names))}" if names else "No additional gate is registered"


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """The share of symbols in B, and the symbols that are always in A or B; part of the ``ab`` section."""

    split: float = setting(0.5, "Share of the symbols in B; switchback requires 0.5", 0, 1)
    whitelist: tuple[str, ...] = setting((), "Symbols that are always in B")
    blacklist: tuple[str, ...] = setting((), "Symbols that are always in A")


def all_settings() -> dict[str, Setting]:
    """Return the ``ab`` section: the experiment's settings, the threshold of each gate, the routing."""
    thresholds = {kind.setting.key: kind.setting for kind in gates.GATES}
    return settings_of(ABSettings, "ab") | thresholds | settings_of(RoutingSettings, "ab")


SETTINGS: Final[dict[str, Setting]] = all_settings()
"""The ``ab`` section."""
