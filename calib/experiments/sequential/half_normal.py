"""One-sided half-normal mixture: an e-process for differences that are symmetric about at most zero.

For every ``lambda >= 0``, ``prod exp(lambda D - lambda^2 D^2 / 2)`` is a supermartingale if ``D`` is symmetric about a
point at or below zero; no moments are assumed. A mixture over a half-normal prior of ``lambda`` with precision ``r`` is
one too. By Ville's inequality it ever reaches ``1 / alpha`` with probability at most ``alpha``.

References
----------
de la Pena (1999), Annals of Probability 27(1), 537-564: the inequality for symmetric variables.
Howard, Ramdas, McAuliffe, Sekhon (2021), Annals of Statistics 49(2), 1055-1080: the mixture and its tuning.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from calib.experiments.sequential.normal import log_ndtr

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def tuning(v_opt: ArrayLike, alpha: float) -> NDArray[np.float64]:
    """Return the prior's precision ``r`` that makes the bound tightest at ``V = v_opt``.

    Parameters
    ----------
    v_opt
        Expected sum of squared differences at the horizon; fixed before the first difference.
    alpha
        Error rate, in (0, 0.5).

    >>> round(float(tuning(120.0, 0.0125)), 4)
    12.6271
    """
    log_two_alpha = math.log(2 * alpha)
    return np.asarray(v_opt, dtype=np.float64) / (-2 * log_two_alpha + math.log(1 - 2 * log_two_alpha))


def log_e_value(total: ArrayLike, variance: ArrayLike, r: ArrayLike) -> NDArray[np.float64]:
    """Return ``log E = log 2 + log(r / (V + r)) / 2 + S^2 / (2 (V + r)) + log Phi(S / sqrt(V + r))``.

    Parameters
    ----------
    total, variance
        ``S``, the sum of the differences, and ``V``, the sum of their squares.
    r
        Precision of the prior; see `tuning`.

    >>> float(log_e_value(0.0, 0.0, 5.0))
    0.0
    """
    s, v, rho = (np.asarray(value, dtype=np.float64) for value in (total, variance, r))
    mixed = v + rho
    return np.asarray(
        math.log(2) + 0.5 * np.log(rho / mixed) + s**2 / (2 * mixed) + log_ndtr(s / np.sqrt(mixed)), dtype=np.float64
    )
