"""The measurements of a run, tick by tick."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from calib.pipeline import Tick


@dataclass(slots=True)
class TickTally:
    """The values of every tick; exact quantiles are computed at the end.

    Parameters
    ----------
    fetch_ms, total_ms
        Durations of the reads and of the ticks.
    error_bps
        |mid that was read - true mid at that time| in bps, for ticks with market data.
    """

    fetch_ms: list[float] = field(default_factory=list)
    total_ms: list[float] = field(default_factory=list)
    error_bps: list[float] = field(default_factory=list)
    ticks: int = 0
    hits: int = 0
    stale: int = 0
    late: int = 0
    without_book: int = 0

    def tick(self, tick: Tick, error_bps: float | None) -> None:
        """Add one tick."""
        record: dict[str, Any] = tick.record
        self.ticks += 1
        self.fetch_ms.append(record["stage_latencies"]["fetch_md"])
        self.total_ms.append(record["tick_total_ms"])
        self.hits += record["cache_hit"]
        self.stale += bool(record["used_stale"])
        self.late += record["deadline_miss"]
        if error_bps is None:
            self.without_book += 1
        else:
            self.error_bps.append(error_bps)

    def __iadd__(self, other: TickTally) -> TickTally:
        self.fetch_ms += other.fetch_ms
        self.total_ms += other.total_ms
        self.error_bps += other.error_bps
        for name in ("ticks", "hits", "stale", "late", "without_book"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self
