"""Exponential backoff, for the resync attempts of a stream and for refreshes after a failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calib.clock import NS_PER_MS
from calib.errors import ConfigError

if TYPE_CHECKING:
    import random as random_module
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with a cap and jitter.

    Parameters
    ----------
    base_ms
        Upper bound of the first delay; doubles with each attempt, > 0.
    cap_ms
        Longest delay, >= base_ms.
    max_attempts
        After this number of failed attempts in a row the stream is FAILED and retries at the longest delay. >= 1.
    jitter
        Random fraction of a delay, 0..1: streams that failed together must not retry together.
    spread_first
        Whether the first delay is random from 0 on, whatever ``jitter`` is: a thousand symbols that lost one connection
        must not send their requests at once.

    The n-th delay is uniform over the upper ``jitter`` fraction of ``min(cap, base * 2^(n-1))``.

    >>> Backoff().delay_ns(3, lambda: 0.5) / 1e6
    750.0
    """

    base_ms: float = 250.0
    cap_ms: float = 30_000.0
    max_attempts: int = 10
    jitter: float = 0.5
    spread_first: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.base_ms <= self.cap_ms or self.max_attempts < 1 or not 0 <= self.jitter <= 1:
            raise ConfigError(
                f"backoff: base_ms={self.base_ms}, cap_ms={self.cap_ms}, max_attempts={self.max_attempts}, "
                f"jitter={self.jitter}",
                hint="Allowed: 0 < base_ms <= cap_ms, max_attempts >= 1, jitter from 0 to 1",
            )

    def delay_ns(self, attempt: int, random: Callable[[], float]) -> int:
        """The delay before attempt number ``attempt`` (from 1), ns; ``random`` returns a number in [0, 1)."""
        # The exponent is capped: 2.0**2000 would raise OverflowError after a night of failures.
        whole_ms = min(self.cap_ms, self.base_ms * 2.0 ** min(attempt - 1, 60))
        drawn = 1.0 if attempt == 1 and self.spread_first else self.jitter
        return round(whole_ms * (1.0 - drawn + drawn * random()) * NS_PER_MS)


class RefreshBackoff:
    """The backoff after failed refreshes of one symbol.

    Parameters
    ----------
    backoff
        The delays.
    rng
        Randomness for the jitter.

    >>> import random
    >>> backoff = RefreshBackoff(Backoff(100, 1000, jitter=0.0, spread_first=False), random.Random(1))
    >>> [backoff.failed(now_ns=0) // NS_PER_MS for _ in range(5)]
    [100, 200, 400, 800, 1000]
    >>> backoff.succeeded()
    >>> backoff.failures, backoff.blocks(now_ns=1)
    (0, False)
    """

    __slots__ = ("_backoff", "_rng", "failures", "until_ns")

    def __init__(self, backoff: Backoff, rng: random_module.Random) -> None:
        self._backoff = backoff
        self._rng = rng
        self.failures = 0
        self.until_ns = 0

    def blocks(self, now_ns: int) -> bool:
        """Whether the delay has not ended yet."""
        return self.failures > 0 and now_ns < self.until_ns

    def failed(self, now_ns: int) -> int:
        """Count a failure; returns the end of its delay, monotonic ns."""
        self.failures += 1
        self.until_ns = now_ns + self._backoff.delay_ns(self.failures, self._draw)
        return self.until_ns

    def succeeded(self) -> None:
        """Reset the count of failures."""
        self.failures = 0
        self.until_ns = 0

    def _draw(self) -> float:
        return 1.0 - self._rng.random()
