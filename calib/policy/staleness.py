"""Detection of values that are older than the policy allows for their data type."""

from __future__ import annotations

import math
from typing import Final

from calib.clock import NS_PER_S, Clock, SystemClock
from calib.errors import ConfigError
from calib.policy.data_types import lookup
from calib.policy.settings import SETTINGS

FUTURE_TOLERANCE_S: Final[float] = SETTINGS["policy.future_tolerance_s"].default
"""How far an exchange's clock may be ahead of ours, s; later times are not trusted."""


class StalenessDetector:
    """Compares ages with the policy's limits; a value of unknown age is stale.

    Parameters
    ----------
    clock
        The clock; default: the system clock.
    future_tolerance_s
        Tolerance for times in the future, s, 0..60; beyond it the value is stale, because one of the clocks is wrong
        and the age is unknown.

    Raises
    ------
    calib.errors.ConfigError
        If the tolerance is outside its range.

    >>> from calib.clock import VirtualClock
    >>> detector = StalenessDetector(VirtualClock(1_735_689_600.0))
    >>> detector.is_stale("orderbook", 1_735_689_595.0), detector.is_stale("orderbook", 1_735_689_594.9)
    (False, True)
    >>> detector.is_stale("balance", 1_735_689_600.0), detector.is_stale("no such type", 1_735_689_600.0)
    (True, True)
    """

    __slots__ = ("_clock", "_tolerance_s")

    def __init__(self, clock: Clock | None = None, *, future_tolerance_s: float = FUTURE_TOLERANCE_S) -> None:
        if not 0 <= future_tolerance_s <= 60:
            raise ConfigError(
                f"future_tolerance_s: {future_tolerance_s!r} is not allowed", hint="Allowed: a number from 0 to 60"
            )
        self._clock: Clock = SystemClock() if clock is None else clock
        self._tolerance_s = float(future_tolerance_s)

    def is_stale(self, data_type: str, timestamp: float | None) -> bool:
        """Return whether a value of that time is too old.

        Parameters
        ----------
        data_type
            A name of the policy's table; a prohibited or unknown type is always stale.
        timestamp
            Time of receipt or of the exchange, Unix seconds. None, NaN and non-numbers are stale.
        """
        age_s = self.age_s(timestamp)
        return age_s is None or age_s < -self._tolerance_s or not lookup(data_type).allows_age(age_s)

    def is_stale_since(self, data_type: str, monotonic_ns: int | None) -> bool:
        """Return whether a value of that monotonic time is too old.

        Parameters
        ----------
        data_type
            A name of the policy's table.
        monotonic_ns
            Time of the detector's clock, ns. None and a time in the future are stale: monotonic clocks of other
            processes or machines are not comparable.
        """
        if monotonic_ns is None or isinstance(monotonic_ns, bool) or not isinstance(monotonic_ns, int):
            return True
        age_ns = self._clock.monotonic_ns() - monotonic_ns
        return age_ns < 0 or not lookup(data_type).allows_age(age_ns / NS_PER_S)

    def age_s(self, timestamp: float | None) -> float | None:
        """Return the age of a time, s, negative in the future; None if it is not a finite number."""
        if timestamp is None or isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
            return None
        return self._clock.time() - timestamp if math.isfinite(timestamp) else None
