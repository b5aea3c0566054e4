"""What every gate is: a small named rule about B against A."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from calib.experiments.windows import ArmMetrics


@dataclass(frozen=True, slots=True)
class Reading:
    """What a gate read at one moment."""

    gate: str
    metric: str
    a: float
    b: float
    bound: float
    """The largest value of B that passes."""
    n_a: float
    n_b: float
    breached: bool | None
    """None where there is no data to judge: never a pass."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule.

    Attributes
    ----------
    name
        As it stands in verdicts, audits and metrics.
    metric
        One of the six metrics of an arm.
    kind
        ``fills`` or ``ticks``: the records it needs.
    channel
        The block statistic that the sound decision tests, see `calib.experiments.blocks`.
    needs_control
        Whether the rule compares with A at all.
    """

    name: ClassVar[str]
    metric: ClassVar[str]
    kind: ClassVar[str]
    channel: ClassVar[str]
    needs_control: ClassVar[bool] = True

    @property
    def sound_margin(self) -> float:
        """The tolerated effect on the scale of `channel`."""
        raise NotImplementedError

    @property
    def limit(self) -> float | None:
        """An absolute limit of B's own mean, in (0, 1), where the gate has one."""
        return None

    def bound(self, a: float) -> float:
        """The largest value of B that passes, given A's."""
        raise NotImplementedError

    def read(self, a: ArmMetrics, b: ArmMetrics, min_records: int) -> Reading:
        """Compare; NaN and too few records make it None, because a comparison with NaN would pass."""
        value_a, value_b = float(getattr(a, self.metric)), float(getattr(b, self.metric))
        n_a, n_b = a.n(self.metric), b.n(self.metric)
        bound = self.bound(value_a)
        enough = n_b >= min_records and (n_a >= min_records or not self.needs_control)
        known = math.isfinite(value_b) and math.isfinite(bound)
        breached = value_b > bound if enough and known else None
        return Reading(self.name, self.metric, value_a, value_b, bound, n_a, n_b, breached)
