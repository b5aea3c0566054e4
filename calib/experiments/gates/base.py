"""What every gate is: a small named rule about B against A."""

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
    """What a gate read at one moment."""

    gate: str
    metric: str
    a: float
    b: float
    bound: float
    """The last value of B that passes."""
    n_a: float
    n_b: float
    breached: bool | None
    """None without data to compare; None never counts as a pass."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule; its only parameter is its threshold.

    A new gate is a class in a file of its own and one line in `calib.experiments.gates.GATES`: its setting, both
    decisions, the state file, the fingerprint of an experiment and the report follow from what it declares here.

    Attributes
    ----------
    name
        As it stands in verdicts, audits and metrics.
    metric
        One of the six metrics of an arm.
    kind
        ``fills`` or ``ticks``: the records it needs.
    channel
        The block statistic that the sequential decision tests, see `calib.experiments.blocks`.
    setting
        The configuration key below ``ab.`` that holds the threshold, with its default and range.
    needs_control
        Whether the rule compares with A at all.
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
        """The tolerated effect on the scale of `channel`, in the direction that is worse; at least 0."""
        raise NotImplementedError

    @property
    def limit(self) -> float | None:
        """An absolute limit of B's own mean, in (0, 1), where the gate has one."""
        return None

    @property
    def threshold_text(self) -> str:
        """The last value of B that passes, in words."""
        raise NotImplementedError

    def bound(self, a: float) -> float:
        """The last value of B that passes, given A's."""
        raise NotImplementedError

    def read(self, a: ArmMetrics, b: ArmMetrics, min_records: int) -> Reading:
        """Compare; NaN and too few records make it None, because a comparison with NaN would pass."""
        value_a, value_b = float(getattr(a, self.metric)), float(getattr(b, self.metric))
        n_a, n_b = a.n(self.metric), b.n(self.metric)
        bound = self.bound(value_a)
        enough = n_b >= min_records and (n_a >= min_records or not self.needs_control)
        known = math.isfinite(value_b) and math.isfinite(bound)
        breached = (value_b > bound if self.worse > 0 else value_b < bound) if enough and known else None
        return Reading(self.name, self.metric, value_a, value_b, bound, n_a, n_b, breached)
