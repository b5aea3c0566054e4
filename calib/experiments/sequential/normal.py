"""Logarithm of the normal distribution function, for scalars and arrays, without SciPy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_erfc = np.frompyfunc(math.erfc, 1, 1)
_TAIL = -25.0


def log_ndtr(x: ArrayLike) -> NDArray[np.float64]:
    """Return ``log Phi(x)``, accurate to about 1e-13, also where ``Phi`` underflows.

    >>> float(log_ndtr(0.0)), round(float(log_ndtr(-40.0)), 4)
    (-0.6931471805599453, -804.6084)

    References
    ----------
    Abramowitz and Stegun (1964), 7.1.2 and, in the tail, the asymptotic series 26.2.12.
    """
    values = np.asarray(x, dtype=np.float64)
    flat = np.atleast_1d(values)
    result = np.empty_like(flat)
    tail, right = flat < _TAIL, flat > 0
    middle = ~(tail | right)
    result[right] = np.log1p(-0.5 * _float(_erfc(flat[right] / math.sqrt(2))))
    result[middle] = np.log(0.5 * _float(_erfc(-flat[middle] / math.sqrt(2))))
    square = flat[tail] ** 2
    series = -1 / square + 3 / square**2 - 15 / square**3
    result[tail] = -square / 2 - np.log(-flat[tail]) - 0.5 * math.log(2 * math.pi) + np.log1p(series)
    return result.reshape(values.shape)


def _float(values: Any) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
