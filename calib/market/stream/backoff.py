"""How long to wait before the next attempt: of a stream to get in sync, of a refresh after a failure."""

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
    """Exponential, with a cap and jitter.

    Parameters
    ----------
    base_ms
        Upper bound of the first wait; doubles with each, > 0.
    cap_ms
        No wait is longer, >= base_ms.
    max_attempts
        After this number in a row it has failed: the next come at the longest pause. >= 1.
    jitter
        Share of a wait that is drawn at random, 0..1: many that failed together must not come back together.
    spread_first
        Whether the first wait is drawn from 0 on, whatever ``jitter`` says: a thousand symbols that lose one connection
        together must not ask together.

    The n-th wait is drawn from the upper ``jitter`` share of ``min(cap, base * 2^(n-1))``.

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
                hint="Allowed: 0 < base_ms <= cap_ms, max_attempts from 1 and jitter from 0 to 1",
            )

    def delay_ns(self, attempt: int, random: Callable[[], float]) -> int:
        """The wait before attempt number ``attempt`` (from 1); ``random`` draws from [0, 1)."""
        # The exponent is capped: 2.0**2000 would overflow after a night of failures.
        whole_ms = min(self.cap_ms, self.base_ms * 2.0 ** min(attempt - 1, 60))
        drawn = 1.0 if attempt == 1 and self.spread_first else self.jitter
        return round(whole_ms * (1.0 - drawn + drawn * random()) * NS_PER_MS)


class RefreshBackoff:
    """The pause after failed refreshes of one symbol.

    Parameters
    ----------
    backoff
        How long it is.
    rng
        Where the draw comes from.

    >>> import random
    >>> pause = RefreshBackoff(Backoff(100, 1000, jitter=0.0, spread_first=False), random.Random(1))
    >>> [pause.failed(now_ns=0) // NS_PER_MS for _ in range(5)]
    [100, 200, 400, 800, 1000]
    >>> pause.succeeded()
    >>> pause.failures, pause.blocks(now_ns=1)
    (0, False)
    """

    __slots__ = ("_backoff", "_rng", "failures", "until_ns")

    def __init__(self, backoff: Backoff, rng: random_module.Random) -> None:
        self._backoff = backoff
        self._rng = rng
        self.failures = 0
        self.until_ns = 0

    def blocks(self, now_ns: int) -> bool:
        """Whether the pause still runs."""
        return self.failures > 0 and now_ns < self.until_ns

    def failed(self, now_ns: int) -> int:
        """Count a failure; returns the end of its pause, monotonic ns."""
        self.failures += 1
        self.until_ns = now_ns + self._backoff.delay_ns(self.failures, self._draw)
        return self.until_ns

    def succeeded(self) -> None:
        """The next failure is the first again."""
        self.failures = 0
        self.until_ns = 0

    def _draw(self) -> float:
        return 1.0 - self._rng.random()
