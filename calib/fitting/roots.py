"""Roots of monotone functions."""

from __future__ import annotations

from collections.abc import Callable


def root(function: Callable[[float], float], low: float, high: float, *, tolerance: float = 1e-12) -> float:
    """Find where ``function`` changes sign between ``low`` and ``high``: Illinois false position with bisection steps.

    Parameters
    ----------
    tolerance
        Width of the bracket relative to its larger end.

    >>> round(root(lambda x: x * x - 2, 0.0, 2.0), 9)
    1.414213562
    """
    f_low, f_high = function(low), function(high)
    if f_low == 0 or f_high == 0:
        return low if f_low == 0 else high
    if (f_low > 0) == (f_high > 0):
        raise ValueError("root: the function has the same sign at both ends")
    side = 0
    for step in range(200):
        if abs(high - low) <= tolerance * max(abs(low), abs(high), 1e-300):
            break
        # Every third step is a bisection, so that a flat end cannot slow down convergence.
        x = (low + high) / 2 if step % 3 == 2 else (low * f_high - high * f_low) / (f_high - f_low)
        value = function(x)
        if value == 0:
            return x
        if (value > 0) == (f_high > 0):
            high, f_high = x, value
            f_low = f_low / 2 if side == 1 else f_low
            side = 1
        else:
            low, f_low = x, value
            f_high = f_high / 2 if side == -1 else f_high
            side = -1
    return (low + high) / 2


def bracket(function: Callable[[float], float], start: float, step: float, limit: int = 60) -> float | None:
    """Double the step from ``start`` until the function is no longer positive, and return that point; None if never."""
    for _ in range(limit):
        if function(start + step) <= 0:
            return start + step
        step *= 2
    return None
