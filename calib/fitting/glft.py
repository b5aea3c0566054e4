"""Quotes derived from the intensity: Avellaneda and Stoikov (2008), Gueant, Lehalle and Fernandez-Tapia (2013).

Units: A 1/s, k 1/bps, sigma bps/sqrt(s), gamma 1/bps per unit of inventory, distances in bps. A unit of inventory is
the quantity of a typical quote. A k per half tick in place of one per tick, or a sigma per sqrt(min) in place of one
per sqrt(s), gives quotes that look plausible and are wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from calib.fitting.arrays import Floats

MAX_INVENTORY: Final = 30
"""Maximum inventory of the exact solution, units: the error in the paper's example is .13 % with 12, 1e-9 with 30."""
TABLE: Final = 5
"""Quotes are computed for inventories from -5 to 5."""


@dataclass(frozen=True, slots=True)
class QuotingInputs:
    """The inputs of the quote formulas.

    Parameters
    ----------
    a_per_s, k_per_bps, sigma_bps
        Intensity and volatility, all greater than zero.
    jump_bps
        Move of the mid against us caused by a fill, J.
    """

    a_per_s: float
    k_per_bps: float
    sigma_bps: float
    jump_bps: float = 0.0


def quote_constant(k: float, gamma: float) -> float:
    """c1 = log(1 + gamma/k) / gamma: the half-spread without volatility; 1/k if gamma is 0.

    >>> quote_constant(0.5, 0.0)
    2.0
    """
    return 1 / k if gamma == 0 else math.log1p(gamma / k) / gamma


def _log_power(k: float, gamma: float) -> float:
    """log of (1 + gamma/k)^(1 + k/gamma)."""
    return (1 + k / gamma) * math.log1p(gamma / k)


def closed_form(market: QuotingInputs, gamma: float) -> tuple[float, float]:
    """Half-spread and skew by the asymptotic formula; bid distance half + q skew, ask distance half - q skew.

    half = c1 + sigma c2 / 2 + J/2, skew = sigma c2, c2 = sqrt(gamma / (2 A k) (1 + gamma/k)^(1 + k/gamma)) e^(k J / 4).

    >>> half, skew = closed_form(QuotingInputs(0.9, 0.3, 0.3), 0.01)
    >>> round(half, 6), round(skew, 6)
    (3.312915, 0.067866)
    """
    a, k, jump = market.a_per_s, market.k_per_bps, market.jump_bps
    c2 = math.sqrt(gamma / (2 * a * k)) * math.exp(_log_power(k, gamma) / 2 + k * jump / 4)
    skew = market.sigma_bps * c2
    return quote_constant(k, gamma) + skew / 2 + jump / 2, skew


def avellaneda_stoikov(market: QuotingInputs, gamma: float, tau_s: float, inventory: float) -> tuple[float, float]:
    """Spread, and distance of the reservation price from the mid, for a finite horizon, bps.

    spread = gamma sigma^2 tau + (2/gamma) log(1 + gamma/k); reservation - mid = -q gamma sigma^2 tau.
    """
    risk = gamma * market.sigma_bps**2 * tau_s
    return risk + 2 * quote_constant(market.k_per_bps, gamma), -inventory * risk


@dataclass(frozen=True, slots=True)
class Quotes:
    """The exact quotes for given inputs and gamma.

    Parameters
    ----------
    half_bps, skew_bps
        At zero inventory, and change per unit of inventory; both from the table.
    table
        ``(q, bid distance, ask distance)`` for q from -5 to 5, bps.
    """

    half_bps: float
    skew_bps: float
    table: tuple[tuple[int, float, float], ...]


def exact_quotes(market: QuotingInputs, gamma: float, largest: int = MAX_INVENTORY) -> Quotes | None:
    """Compute quotes from the lowest eigenvector f of the paper's matrix; None if that fails in double precision.

    The matrix is tridiagonal: k gamma sigma^2 q^2 / 2 on the diagonal, -A (1 + gamma/k)^-(1 + k/gamma) e^(-k J / 2)
    beside it; bid(q) = log(f_q / f_{q+1}) / k + c1 + J/2. The ratios are computed by a recursion from the largest
    inventory inwards, which is stable even if the vector itself would underflow.

    >>> round(exact_quotes(QuotingInputs(0.9, 0.3, 0.3), 0.01).half_bps, 5)
    3.31305
    """
    k, jump = market.k_per_bps, market.jump_bps
    beside = market.a_per_s * math.exp(-_log_power(k, gamma) - k * jump / 2)
    risk = k * gamma * market.sigma_bps**2 / 2
    if not (math.isfinite(beside) and math.isfinite(risk) and beside > 0):
        return None
    diagonal = risk / beside * np.arange(largest + 1, dtype=float) ** 2
    if not np.all(np.isfinite(diagonal)):
        return None
    # f is even, so half of the matrix is enough: combining q = 1 and -1 gives a factor sqrt(2) beside q = 0.
    off = np.full(largest, -1.0)
    off[0] = -math.sqrt(2)
    smallest = float(np.linalg.eigvalsh(np.diag(diagonal) + np.diag(off, -1))[0])
    logs = _log_ratios(diagonal, smallest)
    if logs is None:
        return None
    base = quote_constant(k, gamma) + jump / 2
    # logs[q] = log(f_q / f_{q+1}) for q >= 0; f is even.
    bids = {q: base + (logs[q] if q >= 0 else -logs[-q - 1]) / k for q in range(-TABLE, TABLE + 1)}
    table = tuple((q, bids[q], bids[-q]) for q in range(-TABLE, TABLE + 1))
    return Quotes(bids[0], (bids[1] - bids[-1]) / 2, table)


def _log_ratios(diagonal: Floats, smallest: float) -> list[float] | None:
    """log(f_q / f_{q+1}) for q from 0 up, from ``f_{q-1} = (diagonal_q - smallest) f_q - f_{q+1}``."""
    ratios: list[float] = []
    inward = 0.0  # f_{q+1} / f_q
    for value in diagonal[:0:-1].tolist():
        ratio = value - smallest - inward  # f_{q-1} / f_q
        if ratio <= 0:
            return None
        ratios.append(math.log(ratio))
        inward = 1 / ratio
    return ratios[::-1]
