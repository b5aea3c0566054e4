"""Coalescing heartbeats: of trades that follow each other before anything is due, only the last one matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calib.replay.scheduler import Scheduler
    from calib.replay.sources import Event
    from calib.virtual_loop import VirtualLoop


class Heartbeats:
    """Says which trades need not be delivered.

    A trade only shows that its connection is alive. While no read is due, and within the shortest silence that the
    cache acts upon, only the newest such sign counts.

    Parameters
    ----------
    loop, scheduler
        Know what is due.
    span_us
        How long after a delivered trade the ones that follow may be skipped, us; None: until something is due.

    Attributes
    ----------
    until_us
        Trades before this moment may be skipped.
    skipped
        The newest trade that was skipped and not delivered since; None without one.
    """

    __slots__ = ("_loop", "_scheduler", "_span_us", "skipped", "until_us")

    def __init__(self, loop: VirtualLoop, scheduler: Scheduler, span_us: int | None) -> None:
        self._loop = loop
        self._scheduler = scheduler
        self._span_us = span_us
        self.until_us = 0
        self.skipped: Event | None = None

    def delivered(self, us: int) -> None:
        """A trade at ``us`` was delivered: determine until when the next ones may be skipped."""
        if self._loop.scheduled != self._scheduler.scheduled:
            self.until_us = 0
            return
        idle_until_us = self._scheduler.idle_until_us  # no read is due before
        self.until_us = idle_until_us if self._span_us is None else min(idle_until_us, us + self._span_us)
