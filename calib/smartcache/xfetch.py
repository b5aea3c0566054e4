"""XFetch: refresh before expiry with an increasing probability, so that callers do not all miss at expiry.

Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015: recompute when
``now - delta beta ln(U) >= expiry``, where delta is the measured cost of the compute and U is uniform in (0, 1].
With r seconds left that happens with probability ``exp(-r / (beta delta))``.
"""

from __future__ import annotations

import math
from typing import Final

DRAW_WITHIN: Final = 40.0
"""With more than this multiple of beta delta left no random number is drawn: the probability is below e^-40."""


def early_refresh(left_s: float, delta_s: float, beta: float, draw: float) -> bool:
    """Return whether to refresh now, with ``left_s`` seconds to expiry.

    Parameters
    ----------
    left_s
        Seconds to expiry.
    delta_s
        Measured duration of the compute, s, > 0.
    beta
        Eagerness, >= 0; 0: never before expiry.
    draw
        Uniform in (0, 1]: ``1 - random()``, because ``random()`` may be 0, whose logarithm is undefined.

    >>> early_refresh(1.0, 1.0, 1.0, 0.37), early_refresh(1.0, 1.0, 1.0, 0.36)  # exp(-1) = 0.3679
    (False, True)
    """
    return -delta_s * beta * math.log(draw) >= left_s


def draw_window_s(delta_s: float, beta: float) -> float:
    """Return the time before expiry, s, in which XFetch may refresh early."""
    return DRAW_WITHIN * beta * delta_s
