"""Events between the recorded lines: scheduled reads, feature grid points, timers and refreshes of the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from calib.replay.sources import US_PER_S

if TYPE_CHECKING:
    from calib.replay.recording import Recording
    from calib.virtual_loop import VirtualLoop

NS_PER_US: Final = 1000
MAX_SILENCE_US: Final = 60 * US_PER_S
"""A symbol without a recorded line for longer than this is not read: its true book is unknown then."""


class Scheduler:
    """Advances the time from one recorded line to the next, and runs what is due before it.

    Parameters
    ----------
    loop
        The virtual loop; its time 0 is ``start_us``.
    start_us
        Start of the range, Unix us.
    recording
        Counts the silences.
    read_every_us
        Interval of scheduled reads; None: no scheduled reads.
    read
        Reads every symbol; called with the time, Unix us.
    grid_every_us
        Step of the feature grid; None: no grid.
    take_grid
        Records the features; called with the grid time, Unix us.

    Attributes
    ----------
    last_market_us
        Time of the last book or trade line.
    idle_until_us
        No read, grid point, timer or silence is due before this; valid while ``loop.scheduled`` is ``scheduled``.
    scheduled
        Value of ``loop.scheduled`` when ``idle_until_us`` was computed.
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
        "idle_until_us",
        "last_market_us",
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
        self.last_market_us = start_us
        self.idle_until_us = self.scheduled = 0

    def start_reading(self, us: int) -> None:
        """Start the scheduled reads at ``us``, when the first symbol can be read."""
        if self._read_every_us is not None and self._next_read_us is None:
            self._next_read_us = next_point(us - 1, self._read_every_us)
            self.idle_until_us = 0

    def advance(self, us: int, *, is_market: bool) -> None:
        """Run everything that is due before a line at ``us``; ``is_market`` is True for lines of books and trades."""
        if is_market and us - self.last_market_us > MAX_SILENCE_US:
            self._recording.silences += 1
            self._recording.silent_s += (us - self.last_market_us) / US_PER_S
            if self._next_read_us is not None:
                self._reads_until(self.last_market_us + 1)
                self._next_read_us = next_point(us - 1, self._read_every_us or 1)
        if self._next_read_us is not None:
            # A read comes after books and trades of the same time, like ticks.
            self._reads_until(us if is_market else us + 1)
        if self._next_grid_us is not None and self._next_grid_us < us:
            self._grid_until(us)
        if is_market:
            self.last_market_us = us
        self._until(us)
        self._update_next_wakeup()

    def finish(self, last_us: int) -> None:
        """Run everything that is due up to and including the last line; reads end with the last book or trade."""
        if self._next_read_us is not None:
            self._reads_until(min(last_us, self.last_market_us) + 1)
        if self._next_grid_us is not None:
            self._grid_until(last_us + 1)

    def _update_next_wakeup(self) -> None:
        """Compute until when nothing is due, so that most lines need no further check."""
        self.scheduled = self._loop.scheduled
        until_us = self.last_market_us + MAX_SILENCE_US
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
        """Advance the time; runs only loop callbacks that are due."""
        self._loop.run_until_ns((us - self._start_us) * NS_PER_US)


def next_point(us: int, every_us: int) -> int:
    """Return the first grid point after ``us``."""
    return (us // every_us + 1) * every_us
