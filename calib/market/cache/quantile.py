"""The quantile that calib uses everywhere: linear interpolation between order statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def quantile(values: Iterable[float], q: float) -> float | None:
    """The ``q`` quantile (0..1), linearly interpolated; None for an empty sample.

    Hyndman and Fan's type 7, numpy's default: the value at position ``q (n - 1)`` of the sorted values.

    >>> quantile([4.0, 1.0, 2.0, 3.0], 0.5), quantile([10.0, 20.0], 0.95), quantile([], 0.5)
    (2.5, 19.5, None)
    """
    ordered = sorted(values)
    if not ordered:
        return None
    position = q * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
