"""Histograms in one line of text: ``▂▄█▅▁▂``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

BARS: Final = "▁▂▃▄▅▆▇█"
BINS: Final = 16


def sparkline(amounts: Sequence[int]) -> str:
    """Return one bar per amount, relative to the largest; ``▁`` only for 0.

    >>> sparkline([0, 1, 50, 100])
    '▁▂▅█'
    """
    top = max(amounts, default=0)
    if top == 0:
        return BARS[0] * len(amounts)
    steps = len(BARS) - 1
    return "".join(BARS[-(-amount * steps // top)] for amount in amounts)


def histogram(values: npt.NDArray[np.float64], bins: int = BINS) -> str:
    """Return a sparkline of the values in equal bins from minimum to maximum; one bar if all are equal.

    >>> histogram(np.array([1.0, 1.0, 2.0, 4.0]), bins=3)
    '█▅▅'
    """
    if values.size == 0:
        return ""
    amounts = binned(values, bins)
    return BARS[-1] if len(amounts) == 1 else sparkline(amounts)


def binned(values: npt.NDArray[np.float64], bins: int = BINS) -> tuple[int, ...]:
    """Return the number of values in each of ``bins`` equal bins from minimum to maximum; one bin if all are equal.

    >>> binned(np.array([1.0, 1.0, 2.0, 4.0]), bins=3)
    (2, 1, 1)
    """
    low, high = float(values.min()), float(values.max())
    # Halved before subtracting: the difference of two large doubles could overflow.
    half = high / 2 - low / 2
    if half <= 0:
        return (values.size,)
    place = np.floor((values / 2 - low / 2) / half * bins).astype(np.int64)
    return tuple(int(amount) for amount in np.bincount(np.clip(place, 0, bins - 1), minlength=bins))
