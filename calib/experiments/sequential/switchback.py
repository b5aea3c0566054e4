"""The switchback test: a bet on each block's difference between the arms.

``D_b = mean_B(y - yhat) - mean_A(y - yhat) - m`` with ``yhat`` the symbol's past mean. An assignment and its complement
are equally likely in every block, so ``D_b + m`` is symmetric about zero under "B equals A". No moments and no
independence of fills, symbols or blocks are assumed. For a margin ``m > 0`` the bet stays a supermartingale: with
``g(u) = exp(u - u^2 / 2)`` the mean ``(g(u - a) + g(-u - a)) / 2`` never exceeds 1 for ``a >= 0``.

Every array may have leading dimensions: a simulation runs a thousand experiments at once through the code that a live
harness runs for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.experiments.sequential import half_normal

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_TINY = 1e-12


class RunningBaseline:
    """``yhat``: each symbol's decayed mean over past blocks; without past blocks the mean of all symbols, else 0.

    Parameters
    ----------
    shape
        Leading dimensions and, last, the number of symbols.
    decay
        Factor on the weight of past blocks at each new block, in (0, 1].
    """

    __slots__ = ("count", "decay", "total")

    def __init__(self, shape: tuple[int, ...], decay: float) -> None:
        self.decay = decay
        self.total: Floats = np.zeros(shape)
        self.count: Floats = np.zeros(shape)

    def predict(self) -> Floats:
        pooled_count = self.count.sum(-1, keepdims=True)
        pooled = np.where(pooled_count > 0, self.total.sum(-1, keepdims=True) / np.maximum(pooled_count, _TINY), 0.0)
        return np.where(self.count > 0, self.total / np.maximum(self.count, _TINY), pooled)

    def update(self, sums: Floats, counts: Floats) -> None:
        self.total = self.decay * self.total + sums
        self.count = self.decay * self.count + counts

    def load(self, total: list[float], count: list[float]) -> None:
        """Load the sums and counts by symbol from a state."""
        if len(total) != len(count):
            raise ValueError(f"the number of sums ({len(total)}) and of counts ({len(count)}) differ")
        self.total, self.count = np.asarray(total, dtype=np.float64), np.asarray(count, dtype=np.float64)

    def grow(self, symbols: int) -> None:
        """Extend the arrays to ``symbols`` symbols."""
        missing = symbols - self.total.shape[-1]
        if missing > 0:
            pad = [(0, 0)] * (self.total.ndim - 1) + [(0, missing)]
            self.total, self.count = np.pad(self.total, pad), np.pad(self.count, pad)


def difference(sums: Floats, counts: Floats, is_b: Bools, expected: Floats) -> Floats:
    """Return ``mean_B(y - yhat) - mean_A(y - yhat)`` of one block; NaN if an arm has no observation.

    Parameters
    ----------
    sums, counts
        Sum and number of the observations ``y`` by symbol.
    is_b
        Whether each symbol is in B in this block.
    expected
        ``yhat`` by symbol.
    """
    residual = sums - counts * expected
    count_b = np.where(is_b, counts, 0.0).sum(-1)
    count_a = np.where(is_b, 0.0, counts).sum(-1)
    mean_b = np.where(is_b, residual, 0.0).sum(-1) / np.where(count_b > 0, count_b, np.nan)
    mean_a = np.where(is_b, 0.0, residual).sum(-1) / np.where(count_a > 0, count_a, np.nan)
    return np.asarray(mean_b - mean_a, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class SwitchbackPlan:
    """The parameters of a switchback test, fixed before the first block.

    Parameters
    ----------
    alpha
        Error rate of this test.
    margin
        Tolerated effect on the scale of ``y``, >= 0.
    warmup
        Number of first differences that only set the scale and are not bet on, >= 2.
    horizon
        Number of blocks that the prior is tuned for, >= 1.
    decay
        The decay of the `RunningBaseline`, in (0, 1].
    floor
        Smallest scale of a difference that the tuning assumes, for a warm-up in which nothing happens.
    """

    alpha: float
    margin: float = 0.0
    warmup: int = 5
    horizon: int = 120
    decay: float = 0.97
    floor: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha {self.alpha} is not in (0, 0.5)")
        if self.margin < 0 or self.warmup < 2 or self.horizon < 1 or not 0 < self.decay <= 1:
            raise ValueError(
                f"margin {self.margin}, warmup {self.warmup}, horizon {self.horizon}, decay {self.decay} are invalid; "
                "expected margin >= 0, warmup >= 2, horizon >= 1, decay in (0, 1]"
            )


class Switchback:
    """The state of one switchback test (or of many at once).

    Parameters
    ----------
    plan
        The parameters of the test.
    shape
        Leading dimensions and the number of symbols.
    """

    __slots__ = ("baseline", "count", "max_log_e", "plan", "scale_sum", "seen", "squares", "total")

    def __init__(self, plan: SwitchbackPlan, shape: tuple[int, ...]) -> None:
        self.plan = plan
        self.baseline = RunningBaseline(shape, plan.decay)
        lead = shape[:-1]
        self.seen = np.zeros(lead)
        """Number of valid differences, warm-up included."""
        self.scale_sum = np.zeros(lead)
        """Sum of squares of the warm-up's differences except the first, which has no past to be compared with."""
        self.count = np.zeros(lead)
        """Number of differences that were bet on."""
        self.total = np.zeros(lead)
        """Sum of the differences that were bet on, margin included."""
        self.squares = np.zeros(lead)
        """Sum of their squares, margin included."""
        self.max_log_e = np.zeros(lead)

    @property
    def r(self) -> Floats:
        """Precision of the prior: set by the warm-up, constant after it."""
        scale = np.maximum(self.scale_sum / (self.plan.warmup - 1), self.plan.floor**2)
        return half_normal.tuning(self.plan.horizon * scale, self.plan.alpha)

    def update(self, sums: Floats, counts: Floats, is_b: Bools) -> Floats:
        """Add one closed block and return its difference (NaN if an arm was empty)."""
        d = difference(sums, counts, is_b, self.baseline.predict())
        valid = np.isfinite(d)
        value = np.where(valid, d, 0.0)
        warming = valid & (self.seen < self.plan.warmup)
        self.scale_sum = self.scale_sum + np.where(warming & (self.seen > 0), value**2, 0.0)
        betting = valid & ~warming
        self.count = self.count + betting
        self.total = self.total + np.where(betting, value, 0.0)
        self.squares = self.squares + np.where(betting, value**2, 0.0)
        self.seen = self.seen + valid
        self.baseline.update(sums, counts)
        self.max_log_e = np.maximum(self.max_log_e, self.log_e(self.plan.margin))
        return d

    def log_e(self, margin: float, sign: int = 1) -> Floats:
        """Return ``log E`` against the hypothesis "the effect is at most ``margin``" (with ``sign=-1``: at least)."""
        total = sign * (self.total - self.count * margin)
        squares = np.maximum(self.squares - 2 * margin * self.total + self.count * margin**2, 0.0)
        return np.where(self.count > 0, half_normal.log_e_value(total, squares, self.r), 0.0)

    @property
    def p_value(self) -> Floats:
        """Anytime-valid p: the running minimum of ``min(1, 1 / E)``."""
        return np.exp(-self.max_log_e)

    @property
    def rejected(self) -> Bools:
        """Whether ``E`` has ever reached ``1 / alpha``."""
        return np.asarray(self.max_log_e >= -np.log(self.plan.alpha))

    def interval(self) -> tuple[float, float] | None:
        """Return the anytime-valid ``1 - 2 alpha`` interval of a constant effect; None before the first bet.

        It contains the effects that neither one-sided test at ``alpha`` rejects now, and may be infinite with few
        blocks. Only for a single experiment.
        """
        if not self.count:
            return None
        centre = float(self.total / self.count)
        return self._edge(centre, -1), self._edge(centre, +1)

    def _edge(self, centre: float, side: int) -> float:
        limit = -np.log(self.plan.alpha)
        step = max(float(np.sqrt(self.squares / self.count)), _TINY)
        far = step
        for _ in range(64):
            if self.log_e(centre + side * far, -side) >= limit:
                break
            far *= 2
        else:
            return side * float("inf")
        near = 0.0
        for _ in range(60):
            middle = (near + far) / 2
            if self.log_e(centre + side * middle, -side) >= limit:
                far = middle
            else:
                near = middle
        return centre + side * far

    def grow(self, symbols: int) -> None:
        self.baseline.grow(symbols)

    def to_state(self) -> dict[str, Any]:
        """Return the state of a single experiment as JSON data."""
        scalars = {name: float(getattr(self, name)) for name in _SCALARS}
        return {**scalars, "base_total": self.baseline.total.tolist(), "base_count": self.baseline.count.tolist()}

    def load_state(self, state: dict[str, Any]) -> None:
        for name in _SCALARS:
            setattr(self, name, np.asarray(float(state[name])))
        self.baseline.load(state["base_total"], state["base_count"])


_SCALARS = ("seen", "scale_sum", "count", "total", "squares", "max_log_e")
