"""The sequential test of a canary: is ``fetch_md`` slower with the cache than without, by more than the margin?

In each block of time ``D = mean_on(log p95 - log base) - mean_off(log p95 - log base) - log(1 + margin)``: over the
symbols that use the cache, and over those that do not yet; ``base`` is the symbol's own p95 of the baseline. What all
symbols share (a slow venue, a busy hour) falls out of the difference. Where the cache costs no more than the margin,
``D`` lies about a point that is not above zero, and the half-normal mixture of `calib.experiments.sequential` reaches
``1 / alpha`` with probability at most alpha, however often one looks, over the whole rollout: one test runs through all
steps. Symbols whose own levels wander for longer than a block break the symmetry; the margin absorbs small wandering,
and ``docs/explanation/ab-decisions.md`` has the measured rates.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np

from calib.experiments.canary.measure import CanaryTick
from calib.experiments.sequential import half_normal
from calib.experiments.windows import p95

MIN_TICKS: Final = 20
"""Ticks that a symbol needs in a block for a p95 of its own."""
LATENESS_S: Final = 5.0
"""A block is closed so much later: lines of other threads may come a little late, s."""
SCALE: Final = 0.15
"""Spread of a block's difference (of logarithms) that the test is tuned for."""
HORIZON: Final = 20
"""Blocks that the test is tuned for."""


class FetchTest:
    """The state of the test.

    Parameters
    ----------
    margin
        Tolerated rise of the p95; 0.15 is +15 %.
    alpha
        Error rate over the whole rollout, in (0, 0.5).
    block_s
        Shortest length of a block, s; it grows by as much again until half of the symbols of both kinds have
        `MIN_TICKS`.
    max_block_s
        A block that would become longer than this is left out, s.
    """

    def __init__(self, margin: float, alpha: float, block_s: float, max_block_s: float) -> None:
        self.log_margin = math.log1p(margin)
        self.alpha, self.block_s, self.max_block_s = alpha, block_s, max(max_block_s, block_s)
        self.r = float(half_normal.tuning(HORIZON * SCALE**2, alpha))
        self.block_start: float | None = None
        """Ticks before it were taken."""
        self.count = 0
        self.total = 0.0
        """Sum of the differences, the margin taken off."""
        self.squares = 0.0
        self.max_log_e = 0.0

    @property
    def rejected(self) -> bool:
        """Whether the test has ever reached its limit."""
        return self.max_log_e >= -math.log(self.alpha)

    @property
    def p_value(self) -> float:
        return math.exp(-self.max_log_e)

    @property
    def effect_ratio(self) -> float | None:
        """The mean rise against the symbols without the cache; 0.3 is +30 %. None before the first block."""
        return math.expm1(min(self.total / self.count + self.log_margin, 700.0)) if self.count else None

    def update(self, difference: float) -> None:
        """Take the difference of one block, the margin not yet taken off; NaN is left out."""
        if not math.isfinite(difference):
            return
        d = difference - self.log_margin
        self.count += 1
        self.total += d
        self.squares += d * d
        self.max_log_e = max(self.max_log_e, float(half_normal.log_e_value(self.total, self.squares, self.r)))

    def take(
        self,
        ticks: Sequence[CanaryTick],
        now: float,
        base: Mapping[str, float],
        is_on: Callable[[str, float], bool | None],
    ) -> None:
        """Take every block that has ended by ``now``.

        Parameters
        ----------
        ticks
            In time order, from `block_start` on at least.
        base
            Each symbol's own p95 of the baseline, ms; symbols without one are left out.
        is_on
            Of a symbol and the beginning of a block: whether it uses the cache; None where it counts for neither.
        """
        if self.block_start is None:
            if not ticks:
                return
            self.block_start = math.floor(ticks[0].ts / self.block_s) * self.block_s
        end = self.block_start + self.block_s
        while end <= now - LATENESS_S:
            on = {symbol: is_on(symbol, self.block_start) for symbol in base}
            comparable = {True, False} <= set(on.values())  # else all are off, on or warming up
            difference = block_difference(_values(ticks, self.block_start, end, base), base, on) if comparable else None
            if difference is not None:
                self.update(difference)
            if difference is not None or not comparable or end - self.block_start >= self.max_block_s:
                self.block_start = end
            end += self.block_s

    def skip_to(self, ts: float) -> None:
        """Leave out what lies before ``ts``."""
        self.block_start = None if self.block_start is None else max(self.block_start, ts)

    def to_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _KEPT}

    def load_state(self, state: Mapping[str, Any]) -> None:
        for name in _KEPT:
            setattr(self, name, state[name])


_KEPT: Final = ("block_start", "count", "total", "squares", "max_log_e")


def _values(ticks: Sequence[CanaryTick], start: float, end: float, base: Mapping[str, float]) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    low, high = (bisect_left(ticks, edge, key=itemgetter(0)) for edge in (start, end))
    for tick in ticks[low:high]:
        if tick.fetch_md_ms is not None and tick.symbol in base:
            values.setdefault(tick.symbol, []).append(tick.fetch_md_ms)
    return values


def block_difference(
    values: Mapping[str, Sequence[float]], base: Mapping[str, float], on: Mapping[str, bool | None]
) -> float | None:
    """``mean_on(log p95 - log base) - mean_off(...)`` of one block; None while too few symbols have enough ticks.

    Half of the symbols of each kind must have `MIN_TICKS`, and at least one of each.
    """
    means = []
    for kind in (True, False):
        expected = [symbol for symbol, uses in on.items() if uses is kind]
        logs = []
        for symbol in expected:
            found = values.get(symbol, ())
            level = p95(np.asarray(found, dtype=np.float64)) if len(found) >= MIN_TICKS else 0.0
            if level > 0 and base[symbol] > 0:
                logs.append(math.log(level / base[symbol]))
        if not logs or 2 * len(logs) < len(expected):
            return None
        means.append(math.fsum(logs) / len(logs))
    return means[0] - means[1]
