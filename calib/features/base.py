"""The contract that every statistic here keeps."""

from __future__ import annotations

import abc


class Statistic(abc.ABC):
    """A number that is kept up to date from one observation to the next.

    The contract, which one test battery holds every statistic to:

    - ``get()`` is None until something was observed, then a finite number;
    - ``update`` takes observations in order of time, in O(1) or O(log window), and never looks back at old ones;
    - the value depends on the observations alone: not on how often ``get`` was called, nor on how calls were batched;
    - memory is bounded, whatever was observed;
    - it can be pickled, and goes on from there exactly as the original would.

    A statistic trusts its caller for finite numbers: `FeatureCollector` refuses others at the door. It takes no lock.
    """

    __slots__ = ()

    @abc.abstractmethod
    def get(self) -> float | None:
        """The present value, or None where nothing was observed."""


def check_alpha(alpha: float) -> float:
    """A smoothing factor: a number in (0, 1]; anything else is a `ValueError`."""
    if not 0.0 < alpha <= 1.0:
        raise ValueError(f"alpha must be in (0, 1], not {alpha!r}")
    return float(alpha)


def check_positive(name: str, value: float) -> float:
    """A finite number above 0; anything else is a `ValueError` that names the parameter."""
    if not 0.0 < value < float("inf"):
        raise ValueError(f"{name} must be a finite number above 0, not {value!r}")
    return float(value)
