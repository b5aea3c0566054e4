"""``exp`` and ``log`` with the same bits on every machine.

The ``exp`` and ``log`` of two C libraries may differ in the last bit, and one bit can change a rounded price by a tick.
These functions use only ``+ - * /`` (correctly rounded by IEEE 754) and exact scaling by powers of two. Do not use
``sum`` either: from Python 3.12 it compensates rounding errors of floats, before it does not.
"""

from __future__ import annotations

import math
from typing import Final

LN2: Final = 0.6931471805599453
_SQRT_HALF: Final = 0.7071067811865476
_EXP_TERMS: Final = tuple(1.0 / i for i in range(15, 0, -1))
_LOG_TERMS: Final = tuple(1.0 / (2 * i + 1) for i in range(11, -1, -1))


def exp(x: float) -> float:
    """e to the power of ``x``, |x| up to a few hundred, relative error below 1e-13.

    Range reduction to |r| <= ln(2) / 2, then the Taylor series.

    >>> exp(0.0), round(exp(1.0), 12)
    (1.0, 2.718281828459)
    """
    n = round(x / LN2)
    r = x - n * LN2
    total = 1.0
    for term in _EXP_TERMS:
        total = 1.0 + total * r * term
    return math.ldexp(total, n)


def log(x: float) -> float:
    """Natural logarithm of ``x`` > 0, error below 1e-14 (relative, away from 1).

    ``x = m 2^e`` with m near 1; ``log m = 2 artanh((m - 1) / (m + 1))``.

    >>> log(1.0), round(log(10.0), 12)
    (0.0, 2.302585092994)
    """
    m, e = math.frexp(x)
    if m < _SQRT_HALF:
        m, e = m * 2.0, e - 1
    t = (m - 1.0) / (m + 1.0)
    square = t * t
    total = 0.0
    for term in _LOG_TERMS:
        total = total * square + term
    return 2.0 * t * total + e * LN2
