"""The clock as a replaceable part.

Two readings, never mixed: ``monotonic_ns`` for every duration and age (integer nanoseconds, never decreases), ``time``
for the timestamps of records (Unix seconds, UTC; may jump).
"""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


@runtime_checkable
class Clock(Protocol):
    """The source of time for every live part."""

    def time(self) -> float:
        """Wall clock: Unix seconds, UTC. Only for the timestamps of records."""
        ...

    def monotonic_ns(self) -> int:
        """Monotonic clock in integer nanoseconds. For every duration and age."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    def time(self) -> float:
        return time.time()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class VirtualClock:
    """A clock that only moves when advanced: for tests, replay and simulation.

    Parameters
    ----------
    start
        The wall time at the beginning, Unix seconds.

    >>> clock = VirtualClock(1_735_689_600.0)
    >>> clock.advance_ms(250)
    >>> clock.time(), clock.monotonic_ns()
    (1735689600.25, 250000000)
    >>> clock.step_wall(-3600)  # the machine's clock is set back: ages are not affected
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
        """Move both clocks forward by ``ns`` nanoseconds; raises `ValueError` if it is negative."""
        if ns < 0:
            raise ValueError(f"cannot advance a clock by {ns} ns: expected at least 0")
        self._ns += ns
        self._wall_ns += ns

    def reach_ns(self, ns: int) -> None:
        """Move both clocks forward until `monotonic_ns` is ``ns``; does nothing if that is in the past."""
        ahead = ns - self._ns
        if ahead > 0:
            self._ns = ns
            self._wall_ns += ahead

    def advance_ms(self, ms: float) -> None:
        """Move both clocks forward by ``ms`` milliseconds."""
        self.advance_ns(round(ms * NS_PER_MS))

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock only, as an operator or NTP would."""
        self._wall_ns += round(seconds * NS_PER_S)
