"""Whether a value is older than the policy allows for its data type."""

from __future__ import annotations

import math
from typing import Final

from calib.clock import NS_PER_S, Clock, SystemClock
from calib.errors import ConfigError
from calib.policy.data_types import lookup
from calib.policy.settings import SETTINGS

FUTURE_TOLERANCE_S: Final[float] = SETTINGS["policy.future_tolerance_s"].default
"""How far ahead of our clock an exchange's may be, seconds, before its times are not believed."""


class StalenessDetector:
    """Judges ages by the policy's limits; in doubt a value is stale.

    Parameters
    ----------
    clock
        Default: the machine's.
    future_tolerance_s
        A time so far in the future still counts as now, seconds, 0..60; beyond it the value is stale, because then
        either clock is wrong and the age is not known.

    Raises
    ------
    calib.errors.ConfigError
        For a tolerance outside its range.

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
            raise ConfigError(f"future_tolerance_s is {future_tolerance_s!r}", hint="Allowed: a number from 0 to 60")
        self._clock: Clock = SystemClock() if clock is None else clock
        self._tolerance_s = float(future_tolerance_s)

    def is_stale(self, data_type: str, timestamp: float | None) -> bool:
        """Whether a value of that time is too old to use.

        Parameters
        ----------
        data_type
            A name of the policy's table; a prohibited or unknown type is always stale.
        timestamp
            Unix seconds, of its receipt or of the exchange. None, NaN and anything but a number is stale.
        """
        age_s = self.age_s(timestamp)
        return age_s is None or age_s < -self._tolerance_s or not lookup(data_type).allows_age(age_s)

    def is_stale_since(self, data_type: str, monotonic_ns: int | None) -> bool:
        """Whether a value that was measured at that monotonic time is too old to use.

        Parameters
        ----------
        data_type
            A name of the policy's table.
        monotonic_ns
            Of the same clock as the detector's. None, and a time in its future, is stale: a monotonic clock of another
            process or machine says nothing here.
        """
        if monotonic_ns is None or isinstance(monotonic_ns, bool) or not isinstance(monotonic_ns, int):
            return True
        age_ns = self._clock.monotonic_ns() - monotonic_ns
        return age_ns < 0 or not lookup(data_type).allows_age(age_ns / NS_PER_S)

    def age_s(self, timestamp: float | None) -> float | None:
        """Age of a time in seconds, negative in the future; None where it is not a finite number."""
        if timestamp is None or isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
            return None
        return self._clock.time() - timestamp if math.isfinite(timestamp) else None
