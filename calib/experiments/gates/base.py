"""The base class of gates: named rules that compare arm B with arm A."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from calib.config import Setting
    from calib.experiments.windows import ArmMetrics

SECTION: Final = "ab."


@dataclass(frozen=True, slots=True)
class Reading:
    """The values a gate compared at one evaluation."""

    gate: str
    metric: str
    a: float
    b: float
    bound: float
    """The worst value of B that passes."""
    n_a: float
    n_b: float
    breached: bool | None
    """None without data to compare, which does not count as a pass."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule; its only parameter is its threshold.

    A new gate is a class in a file of its own and one line in `calib.experiments.gates.GATES`. Its setting, both
    decisions, the state file, the fingerprint of an experiment and the report are derived from the attributes below.

    Attributes
    ----------
    name
        The name in verdicts, audits and metrics.
    metric
        One of the six metrics of an arm.
    kind
        ``fills`` or ``ticks``: the records that it needs.
    channel
        The block statistic that the sequential decision tests, see `calib.experiments.blocks`.
    setting
        The configuration key below ``ab.`` that holds the threshold, with its default and range.
    needs_control
        Whether the rule compares B with A.
    worse
        +1 where a larger value of B is worse, -1 where a smaller one is.
    """

    threshold: float

    name: ClassVar[str]
    metric: ClassVar[str]
    kind: ClassVar[str]
    channel: ClassVar[str]
    setting: ClassVar[Setting]
    needs_control: ClassVar[bool] = True
    worse: ClassVar[int] = 1

    @classmethod
    def setting_name(cls) -> str:
        """The key of `setting` without its section: a field, or an entry of ``thresholds``, of `ABSettings`."""
        return cls.setting.key.removeprefix(SECTION)

    @property
    def block_margin(self) -> float:
        """The tolerated worsening on the scale of `channel`, >= 0."""
        raise NotImplementedError

    @property
    def limit(self) -> float | None:
        """An absolute limit of B's own mean, in (0, 1), or None."""
        return None

    @property
    def threshold_text(self) -> str:
        """The worst value of B that passes, as text."""
        raise NotImplementedError

    def bound(self, a: float) -> float:
        """Return the worst value of B that passes, given A's value."""
        raise NotImplementedError

    def read(self, a: ArmMetrics, b: ArmMetrics, min_records: int) -> Reading:
        """Compare the arms; ``breached`` is None for NaN or too few records, as a comparison with NaN would pass."""
        value_a, value_b = float(getattr(a, self.metric)), float(getattr(b, self.metric))
        n_a, n_b = a.n(self.metric), b.n(self.metric)
        bound = self.bound(value_a)
        enough = n_b >= min_records and (n_a >= min_records or not self.needs_control)
        known = math.isfinite(value_b) and math.isfinite(bound)
        breached = (value_b > bound if self.worse > 0 else value_b < bound) if enough and known else None
        return Reading(self.name, self.metric, value_a, value_b, bound, n_a, n_b, breached)
