"""The base class of live features: statistics of one symbol that handle some of the collector's events."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from calib.features.average import Average, average
from calib.features.base import Statistic


class FillSeen(NamedTuple):
    """One fill as features receive it; figures in bps, None if a price that they need is unknown."""

    is_taker: bool
    net_bps: float | None
    slippage_bps: float | None
    adverse_move_bps: float | None
    now_ns: int


@dataclass(frozen=True, slots=True)
class Smoothing:
    """The settings of one symbol's features.

    Parameters
    ----------
    alpha
        Weight of a new observation, in (0, 1].
    half_life_s
        Half-life of the averages, s; None: they decay by event.
    window
        Number of tick durations of a rolling quantile.
    target_bps
        The target that ``pnl_dev`` is measured against, bps.
    earlier
        The symbol's features listed before this one in the table, by name: one feature may read another.
    """

    alpha: float
    half_life_s: float | None = None
    window: int = 1000
    target_bps: float = 0.0
    earlier: Mapping[str, LiveFeature] = field(default_factory=dict)

    def average(self) -> Average:
        """Create an average with these settings."""
        return average(self.alpha, self.half_life_s)


class LiveFeature(Statistic):
    """One feature of one symbol.

    A subclass has a name, and a method for each kind of event that it handles: ``on_tick(total_ms, now_ns)``,
    ``on_book(mid, top_qty, now_ns)``, ``on_quote()``, ``on_queue(quote_id, ahead_qty, own_qty, now_ns)``,
    ``on_quote_gone(quote_id)``, ``on_fill(fill)``. It is called under the symbol's lock with checked numbers.
    """

    __slots__ = ()

    name: ClassVar[str]
    """Its name in snapshots, metrics and the reference page."""
    unit: ClassVar[str]
    definition: ClassVar[str]
    """One line for the reference page."""
    fed_by: ClassVar[str]
    """The methods of the collector that update it."""

    @abc.abstractmethod
    def __init__(self, smoothing: Smoothing) -> None: ...


class AveragedFeature(LiveFeature):
    """A feature that consists of one average; a subclass updates ``_mean``."""

    __slots__ = ("_mean",)

    def __init__(self, smoothing: Smoothing) -> None:
        self._mean = smoothing.average()

    def get(self) -> float | None:
        return self._mean.get()
