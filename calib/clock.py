"""Time as a part that can be replaced.

Two readings, never mixed: ``monotonic_ns`` for every duration and age (integer nanoseconds, never goes back), ``time``
for stamping records (Unix seconds, UTC, may step).
"""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


@runtime_checkable
class Clock(Protocol):
    """What every live part asks for the time."""

    def time(self) -> float:
        """Wall clock: Unix seconds, UTC. Only for stamping records."""
        ...

    def monotonic_ns(self) -> int:
        """Monotonic clock in integer nanoseconds. For every duration and age."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def time(self) -> float:
        return time.time()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class VirtualClock:
    """A clock that moves only when it is told to: for tests, replay and simulation.

    Parameters
    ----------
    start
        The wall time at the beginning, Unix seconds.

    >>> clock = VirtualClock(1_735_689_600.0)
    >>> clock.advance_ms(250)
    >>> clock.time(), clock.monotonic_ns()
    (1735689600.25, 250000000)
    >>> clock.step_wall(-3600)  # somebody sets the machine's clock back: ages do not notice
    >>> clock.time(), clock.monotonic_ns()
    (1735686000.25, 250000000)
    """

    __slots__ = ("_ns", "_wall_ns")

    def __init__(self, start: float = 0.0) -> None:
        self._wall_ns = round(start * NS_PER_S)
        self._ns = 0

    def time(self) -> float:
        return self._wall_ns / NS_PER_S

    def monotonic_ns(self) -> int:
        return self._ns

    def advance_ns(self, ns: int) -> None:
        """Move both clocks forward by ``ns`` nanoseconds; a negative step is a `ValueError`."""
        if ns < 0:
            raise ValueError(f"a clock cannot be advanced by {ns} ns: time does not go back")
        self._ns += ns
        self._wall_ns += ns

    def reach_ns(self, ns: int) -> None:
        """Move both clocks forward until `monotonic_ns` is ``ns``; nothing where it is that or more already."""
        ahead = ns - self._ns
        if ahead > 0:
            self._ns = ns
            self._wall_ns += ahead

    def advance_ms(self, ms: float) -> None:
        """Move both clocks forward by ``ms`` milliseconds."""
        self.advance_ns(round(ms * NS_PER_MS))

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, as an operator or NTP would."""
        self._wall_ns += round(seconds * NS_PER_S)
