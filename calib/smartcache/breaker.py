"""A circuit breaker: after repeated failures calls are blocked for a time, then one probe is allowed."""

from __future__ import annotations

import enum

from calib.clock import NS_PER_S


class BreakerState(enum.StrEnum):
    """Closed: calls are allowed. Open: calls are blocked. Half-open: one probe is running."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Opens after ``failures`` failures in a row; the time it stays open doubles with each failed probe.

    Parameters
    ----------
    failures
        Number of consecutive failures, at least 1.
    open_s, cap_s
        First and longest time it stays open, s.

    >>> breaker = CircuitBreaker(failures=2, open_s=1.0, cap_s=30.0)
    >>> breaker.failed(began_ns=0, now_ns=5); breaker.failed(began_ns=1, now_ns=6); breaker.state.value
    'closed'
    >>> breaker.failed(began_ns=7, now_ns=8); breaker.allows(now_ns=NS_PER_S + 7)
    False
    >>> [breaker.allows(now_ns=NS_PER_S + 8) for _ in range(2)], breaker.state.value  # one probe, no second
    ([True, False], 'half_open')
    >>> breaker.succeeded(); breaker.state.value
    'closed'
    """

    __slots__ = (
        "_cap_s",
        "_failed_ns",
        "_failures",
        "_in_a_row",
        "_open_s",
        "_open_until_ns",
        "_pause_s",
        "opened",
        "state",
    )

    def __init__(self, failures: int, open_s: float, cap_s: float) -> None:
        self._failures = failures
        self._open_s = self._pause_s = open_s
        self._cap_s = cap_s
        self._in_a_row = 0
        self._failed_ns = -1
        self._open_until_ns = 0
        self.state = BreakerState.CLOSED
        self.opened = 0
        """Number of times it opened."""

    def allows(self, now_ns: int) -> bool:
        """Return whether a call is allowed; the first one after the open time is the probe."""
        if self.state is BreakerState.CLOSED:
            return True
        if self.state is BreakerState.HALF_OPEN or now_ns < self._open_until_ns:
            return False
        self.state = BreakerState.HALF_OPEN
        return True

    def succeeded(self) -> None:
        """Record a successful call."""
        self._in_a_row = 0
        self._pause_s = self._open_s
        self.state = BreakerState.CLOSED

    def failed(self, began_ns: int, now_ns: int) -> None:
        """Record a failed call; one that began before the last failure was recorded does not count again."""
        if began_ns <= self._failed_ns:
            return
        self._failed_ns = now_ns
        self._in_a_row += 1
        if self.state is BreakerState.HALF_OPEN:
            self._pause_s = min(self._cap_s, self._pause_s * 2)
            self._open(now_ns)
        elif self.state is BreakerState.CLOSED and self._in_a_row >= self._failures:
            self._open(now_ns)

    def abandoned(self, now_ns: int) -> None:
        """Record a cancelled call: a cancelled probe is not a failure, and the next call is the probe."""
        if self.state is BreakerState.HALF_OPEN:
            self.state = BreakerState.OPEN
            self._open_until_ns = now_ns

    def _open(self, now_ns: int) -> None:
        self.state = BreakerState.OPEN
        self._open_until_ns = now_ns + round(self._pause_s * NS_PER_S)
        self.opened += 1
