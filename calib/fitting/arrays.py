"""Array types of this package, and sums by group."""

from __future__ import annotations

from typing import Final

import numpy as np

from calib.recorded.arrays import Bools, Floats, Ints

__all__ = ["CHUNK", "Bools", "Floats", "Ints", "chunks", "sums_by"]

CHUNK: Final = 1 << 18
"""Rows processed at a time: temporary columns of ten million rows would not fit into 1 GB."""


def chunks(rows: int, size: int = CHUNK) -> list[slice]:
    """Return slices that cover ``rows`` rows, in order.

    >>> chunks(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(begin, min(begin + size, rows)) for begin in range(0, rows, size)]


def sums_by(places: Ints, weights: Floats, size: int) -> Floats:
    """Return the sum of the weights at each place from 0 to ``size - 1``.

    >>> sums_by(np.array([0, 2, 0]), np.array([1.0, 2.0, 3.0]), 3).tolist()
    [4.0, 0.0, 2.0]
    """
    return np.asarray(np.bincount(places, weights, size), dtype=np.float64)
