"""What is due beside the recorded lines: scheduled reads, the grid of features, timers and refreshes of the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from calib.replay.sources import US_PER_S

if TYPE_CHECKING:
    from calib.replay.recording import Recording
    from calib.virtual_loop import VirtualLoop

NS_PER_US: Final = 1000
MAX_SILENCE_US: Final = 60 * US_PER_S
"""A symbol without a recorded line for longer is not read: what was true then is not known."""


class Scheduler:
    """Moves the time on from one recorded line to the next, and does what is due on the way.

    Parameters
    ----------
    loop
        The virtual loop; its time 0 is ``start_us``.
    start_us
        The beginning of the range, Unix us.
    recording
        Counts the silences.
    read_every_us
        Interval of scheduled reads; None: there are none.
    read
        Reads every symbol; called with the moment, Unix us.
    grid_every_us
        Step of the grid of features; None: there is none.
    take_grid
        Takes the features down; called with the point of the grid, Unix us.

    Attributes
    ----------
    heard_us
        Time of the last line of a book or trade.
    idle_until_us
        No read, point of the grid, timer or silence is due before; valid while ``loop.scheduled`` is ``scheduled``.
    scheduled
        ``loop.scheduled`` when ``idle_until_us`` was determined.
    """

    __slots__ = (
        "_grid_every_us",
        "_loop",
        "_next_grid_us",
        "_next_read_us",
        "_read",
        "_read_every_us",
        "_recording",
        "_start_us",
        "_take_grid",
        "heard_us",
        "idle_until_us",
        "scheduled",
    )

    def __init__(
        self,
        loop: VirtualLoop,
        start_us: int,
        recording: Recording,
        *,
        read_every_us: int | None,
        read: Callable[[int], None],
        grid_every_us: int | None,
        take_grid: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._start_us = start_us
        self._recording = recording
        self._read_every_us = read_every_us
        self._read = read
        self._grid_every_us = grid_every_us
        self._take_grid = take_grid
        self._next_read_us: int | None = None
        self._next_grid_us = None if grid_every_us is None else next_point(start_us, grid_every_us)
        self.heard_us = start_us
        self.idle_until_us = self.scheduled = 0

    def start_reading(self, us: int) -> None:
        """A first symbol can be read from ``us`` on."""
        if self._read_every_us is not None and self._next_read_us is None:
            self._next_read_us = next_point(us - 1, self._read_every_us)
            self.idle_until_us = 0

    def advance(self, us: int, *, heard: bool) -> None:
        """Do everything that is due before a line at ``us``; ``heard``: it is a line of a book or trade."""
        if heard and us - self.heard_us > MAX_SILENCE_US:
            self._recording.silences += 1
            self._recording.silent_s += (us - self.heard_us) / US_PER_S
            if self._next_read_us is not None:
                self._reads_until(self.heard_us + 1)
                self._next_read_us = next_point(us - 1, self._read_every_us or 1)
        if self._next_read_us is not None:
            # At its own moment a read comes after books and trades, as ticks do.
            self._reads_until(us if heard else us + 1)
        if self._next_grid_us is not None and self._next_grid_us < us:
            self._grid_until(us)
        if heard:
            self.heard_us = us
        self._until(us)
        self._update_next_wakeup()

    def finish(self, last_us: int) -> None:
        """Do everything that is due up to the last line, that moment included; reads end with books and trades."""
        if self._next_read_us is not None:
            self._reads_until(min(last_us, self.heard_us) + 1)
        if self._next_grid_us is not None:
            self._grid_until(last_us + 1)

    def _update_next_wakeup(self) -> None:
        """Determine until when nothing is due: most lines come before that, and then need not ask."""
        self.scheduled = self._loop.scheduled
        until_us = self.heard_us + MAX_SILENCE_US
        for due_us in (self._next_read_us, self._next_grid_us):
            if due_us is not None and due_us < until_us:
                until_us = due_us
        next_ns = self._loop.next_due_ns()
        if next_ns is not None:
            until_us = min(until_us, self._start_us + next_ns // NS_PER_US)
        self.idle_until_us = until_us

    def _reads_until(self, before_us: int) -> None:
        assert self._read_every_us is not None
        while self._next_read_us is not None and self._next_read_us < before_us:
            at_us = self._next_read_us
            if self._next_grid_us is not None and self._next_grid_us < at_us:
                self._grid_until(at_us)
            self._until(at_us)
            self._read(at_us)
            self._next_read_us = at_us + self._read_every_us

    def _grid_until(self, before_us: int) -> None:
        assert self._grid_every_us is not None
        assert self._next_grid_us is not None
        while self._next_grid_us < before_us:
            self._until(self._next_grid_us)
            self._take_grid(self._next_grid_us)
            self._next_grid_us += self._grid_every_us

    def _until(self, us: int) -> None:
        """Move the time on. Only what is due on the way runs the loop; for most lines nothing is."""
        self._loop.run_until_ns((us - self._start_us) * NS_PER_US)


def next_point(us: int, every_us: int) -> int:
    """The first point of a grid after ``us``."""
    return (us // every_us + 1) * every_us
