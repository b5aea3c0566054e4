"""Coalescing heartbeats: of consecutive trades before the next due event, only the last one must be delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calib.replay.scheduler import Scheduler
    from calib.replay.sources import Event
    from calib.virtual_loop import VirtualLoop


class Heartbeats:
    """Decides which trades need not be delivered.

    A trade only proves that its connection is alive. While no read is due, and within the shortest silence that the
    cache reacts to, only the newest trade must be delivered.

    Parameters
    ----------
    loop, scheduler
        Used to determine what is due.
    span_us
        Time after a delivered trade during which later ones may be skipped, us; None: until something is due.

    Attributes
    ----------
    until_us
        Trades before this time may be skipped.
    skipped
        The newest skipped trade that has not been delivered; None if there is none.
    """

    __slots__ = ("_loop", "_scheduler", "_span_us", "skipped", "until_us")

    def __init__(self, loop: VirtualLoop, scheduler: Scheduler, span_us: int | None) -> None:
        self._loop = loop
        self._scheduler = scheduler
        self._span_us = span_us
        self.until_us = 0
        self.skipped: Event | None = None

    def delivered(self, us: int) -> None:
        """A trade at ``us`` was delivered: compute until when later ones may be skipped."""
        if self._loop.scheduled != self._scheduler.scheduled:
            self.until_us = 0
            return
        idle_until_us = self._scheduler.idle_until_us  # no read is due before
        self.until_us = idle_until_us if self._span_us is None else min(idle_until_us, us + self._span_us)
