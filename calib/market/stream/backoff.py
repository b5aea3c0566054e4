"""How long to wait before the next attempt, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calib.clock import NS_PER_MS
from calib.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, with a cap and jitter.

    Parameters
    ----------
    base_ms
        Upper bound of the wait before the first attempt; doubles with each, > 0.
    cap_ms
        No wait is longer, >= base_ms.
    max_attempts
        After so many in a row it has failed, >= 1.

    The wait before attempt n is drawn from (half, whole) of ``min(cap, base * 2^(n-1))``; before the first from
    (0, whole), so that a thousand symbols that lose one connection together do not ask together.

    >>> Backoff().delay_ns(3, lambda: 0.5) / 1e6
    750.0
    """

    base_ms: float = 250.0
    cap_ms: float = 30_000.0
    max_attempts: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.base_ms <= self.cap_ms or self.max_attempts < 1:
            raise ConfigError(
                f"backoff: base_ms={self.base_ms}, cap_ms={self.cap_ms}, max_attempts={self.max_attempts}",
                hint="Allowed: 0 < base_ms <= cap_ms and max_attempts from 1",
            )

    def delay_ns(self, attempt: int, random: Callable[[], float]) -> int:
        """The wait before attempt number ``attempt`` (from 1); ``random`` draws from [0, 1)."""
        whole = min(self.cap_ms, self.base_ms * 2.0 ** min(attempt - 1, 60))
        draw = random()
        return round(whole * (draw if attempt == 1 else 0.5 + draw / 2) * NS_PER_MS)
