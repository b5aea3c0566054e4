"""The pause after failed refreshes: exponential, capped, with jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calib.clock import NS_PER_MS

if TYPE_CHECKING:
    import random


class RefreshBackoff:
    """After the n-th failure in a row a pause of ``min(cap, first 2^(n-1))``, part of it drawn at random.

    Parameters
    ----------
    first_ms, cap_ms
        The first and the longest pause, ms.
    jitter
        Share of a pause that is drawn, 0..1: many bots that failed together must not come back together.
    rng
        Where the draw comes from.

    >>> import random
    >>> pause = RefreshBackoff(100, 1000, 0.0, random.Random(1))
    >>> [pause.failed(now_ns=0) // NS_PER_MS for _ in range(5)]
    [100, 200, 400, 800, 1000]
    >>> pause.succeeded()
    >>> pause.failures, pause.blocks(now_ns=1)
    (0, False)
    """

    __slots__ = ("_cap_ms", "_first_ms", "_jitter", "_rng", "failures", "until_ns")

    def __init__(self, first_ms: float, cap_ms: float, jitter: float, rng: random.Random) -> None:
        self._first_ms = first_ms
        self._cap_ms = cap_ms
        self._jitter = jitter
        self._rng = rng
        self.failures = 0
        self.until_ns = 0

    def blocks(self, now_ns: int) -> bool:
        """Whether the pause still runs."""
        return self.failures > 0 and now_ns < self.until_ns

    def failed(self, now_ns: int) -> int:
        """Count a failure; returns the end of its pause, monotonic ns."""
        self.failures += 1
        # The exponent is capped: 2.0**2000 would overflow after a night of failures.
        pause_ms = min(self._cap_ms, self._first_ms * 2.0 ** min(self.failures - 1, 60))
        pause_ms *= 1.0 - self._jitter * self._rng.random()
        self.until_ns = now_ns + round(pause_ms * NS_PER_MS)
        return self.until_ns

    def succeeded(self) -> None:
        """The next failure is the first again."""
        self.failures = 0
        self.until_ns = 0
