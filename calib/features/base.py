"""The base class of the statistics."""

from __future__ import annotations

import abc


class Statistic(abc.ABC):
    """An online statistic: a number updated by each observation.

    The contract, checked for every statistic by the same tests:

    - ``get()`` is None until something was observed, then a finite number;
    - ``update`` takes observations in order of time, in O(1) or O(log window), and does not revisit old ones;
    - the value depends only on the observations, not on calls of ``get`` or on batching;
    - memory is bounded;
    - it can be pickled, and a copy continues exactly like the original.

    Observations must be finite numbers: `FeatureCollector` refuses others. A statistic is not thread-safe.
    """

    __slots__ = ()

    @abc.abstractmethod
    def get(self) -> float | None:
        """The current value; None if nothing was observed."""


def check_alpha(alpha: float) -> float:
    """Return a smoothing factor in (0, 1]; raises `ValueError` for anything else."""
    if not 0.0 < alpha <= 1.0:
        raise ValueError(f"alpha: {alpha!r} is out of range; expected a number in (0, 1]")
    return float(alpha)


def check_positive(name: str, value: float) -> float:
    """Return a finite number above 0; raises a `ValueError` that names the parameter for anything else."""
    if not 0.0 < value < float("inf"):
        raise ValueError(f"{name}: {value!r} is out of range; expected a finite number > 0")
    return float(value)
