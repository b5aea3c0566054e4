"""The latency of the simulated venue."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Protocol

from calib.errors import BadLatency

NS_PER_MS: Final = 1_000_000


class Latency(Protocol):
    """A source of durations, one for each request."""

    def next_ns(self, now_ns: int) -> int:
        """The latency of a request made at ``now_ns``, nanoseconds, >= 0."""
        ...


class ConstantLatency:
    """The same latency for every request.

    Parameters
    ----------
    ms
        Milliseconds, finite and >= 0.

    >>> ConstantLatency(1.5).next_ns(0)
    1500000
    """

    def __init__(self, ms: float) -> None:
        self.ms = _checked(ms)
        self._ns = round(self.ms * NS_PER_MS)

    def next_ns(self, now_ns: int) -> int:
        return self._ns


class EmpiricalLatency:
    """Measured latencies, used in order and repeated from the start.

    The order is kept because latencies are autocorrelated: random draws would spread out a burst of slow replies.

    Parameters
    ----------
    values_ms
        At least one latency; each finite and >= 0.

    >>> measured = EmpiricalLatency([1.0, 2.0])
    >>> [measured.next_ns(0) // 1000 for _ in range(3)]
    [1000, 2000, 1000]
    """

    def __init__(self, values_ms: Sequence[float]) -> None:
        if not values_ms:
            raise BadLatency("no latencies were given", hint="Give at least one, in ms")
        self._values_ns = [round(_checked(value) * NS_PER_MS) for value in values_ms]
        self._next = 0

    def next_ns(self, now_ns: int) -> int:
        value = self._values_ns[self._next % len(self._values_ns)]
        self._next += 1
        return value


def _checked(ms: float) -> float:
    if not (math.isfinite(ms) and ms >= 0):
        raise BadLatency(f"{ms!r} is not a valid latency", hint="Expected a finite number of ms >= 0")
    return float(ms)
