"""The gate on B's deadline misses."""

from __future__ import annotations

from dataclasses import dataclass

from calib.config import Setting
from calib.experiments.gates.base import Gate


@dataclass(frozen=True, slots=True)
class DeadlineMissSpike(Gate):
    """Breached if B's share of late ticks is above the limit, regardless of A's.

    The sequential decision requires both: B's mean above the limit (a bounded-mean e-process over blocks) and B above A
    (the switchback process on the same blocks). A burst that affects the whole market is not caused by B.

    Parameters
    ----------
    threshold
        Maximum share of late ticks that passes: 0.02 is 2 %.

    >>> DeadlineMissSpike(0.02).bound(0.5)
    0.02
    """

    name = "deadline_miss_spike"
    metric = "deadline_miss_rate"
    kind = "ticks"
    channel = "deadline_miss_rate"
    setting = Setting(
        "ab.max_deadline_miss_rate", "float", 0.02, "Gate deadline_miss_spike: maximum share of late ticks", 0.0001, 0.5
    )
    threshold: float = setting.default
    needs_control = False

    @property
    def threshold_text(self) -> str:
        return f"{100 * self.threshold:g} %"

    @property
    def block_margin(self) -> float:
        return 0.0

    @property
    def limit(self) -> float | None:
        return self.threshold

    def bound(self, a: float) -> float:
        return self.threshold
