"""The sequential test of a canary: is ``fetch_md`` slower with the cache than without, by more than the margin?

In each block of time ``D = log p95(on) - log p95(off) - log(1 + margin)``: over the ticks of the symbols that use the
cache, and of those that do not yet, each tick divided by its symbol's own p95 of the baseline. Effects common to all
symbols (a slow venue, a busy hour) cancel in the difference. If the cache costs no more than the margin, the centre of
``D`` is at most zero, and the half-normal mixture of `calib.experiments.sequential` reaches ``1 / alpha`` with
probability at most alpha over the whole rollout, however often it is evaluated: one test runs through all steps.
Symbols whose own levels drift for longer than a block break the symmetry; the margin absorbs small drifts, and
``docs/explanation/ab-decisions.md`` has the measured rates.
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

MIN_TICKS: Final = 40
"""Minimum number of ticks of each side in a block for a p95."""
LATENESS_S: Final = 5.0
"""Delay after the end of a block before it is closed, s: lines of other threads may arrive late."""
SCALE: Final = 0.15
"""Standard deviation of a block's difference (of logarithms) that the test is tuned for."""
HORIZON: Final = 20
"""Number of blocks that the test is tuned for."""


class FetchTest:
    """The state of the test.

    Parameters
    ----------
    margin
        Tolerated rise of the p95; 0.15 is +15 %.
    alpha
        Error rate over the whole rollout, in (0, 0.5).
    block_s
        Shortest length of a block, s; a block is extended by this length until both sides have `MIN_TICKS`.
    max_block_s
        Longest length of a block, s; a longer one is discarded.
    """

    def __init__(self, margin: float, alpha: float, block_s: float, max_block_s: float) -> None:
        self.log_margin = math.log1p(margin)
        self.alpha, self.block_s, self.max_block_s = alpha, block_s, max(max_block_s, block_s)
        self.r = float(half_normal.tuning(HORIZON * SCALE**2, alpha))
        self.block_start: float | None = None
        """Start of the current block, Unix s; earlier ticks are already used."""
        self.count = 0
        self.total = 0.0
        """Sum of the differences less the margin."""
        self.squares = 0.0
        self.max_log_e = 0.0

    @property
    def rejected(self) -> bool:
        """Whether the test has ever reached its threshold ``1 / alpha``."""
        return self.max_log_e >= -math.log(self.alpha)

    @property
    def p_value(self) -> float:
        return math.exp(-self.max_log_e)

    @property
    def effect_ratio(self) -> float | None:
        """Mean rise against the symbols without the cache; 0.3 is +30 %. None before the first block."""
        return math.expm1(min(self.total / self.count + self.log_margin, 700.0)) if self.count else None

    def update(self, difference: float) -> None:
        """Add the difference of one block, margin included; NaN and infinite values are ignored."""
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
        """Update the test with every block that has ended by ``now``.

        Parameters
        ----------
        ticks
            Ticks in time order, at least from `block_start` on.
        base
            Each symbol's own p95 of the baseline, ms; symbols without one are left out.
        is_on
            Returns, for a symbol and the start of a block, whether it uses the cache; None excludes it from the block.
        """
        if self.block_start is None:
            if not ticks:
                return
            self.block_start = math.floor(ticks[0].ts / self.block_s) * self.block_s
        end = self.block_start + self.block_s
        while end <= now - LATENESS_S:
            on = {symbol: is_on(symbol, self.block_start) for symbol in base}
            comparable = {True, False} <= set(on.values())  # not if all symbols are off, on or warming up
            difference = block_difference(*_sides(ticks, self.block_start, end, base, on)) if comparable else None
            if difference is not None:
                self.update(difference)
            if difference is not None or not comparable or end - self.block_start >= self.max_block_s:
                self.block_start = end
            end += self.block_s

    def skip_to(self, ts: float) -> None:
        """Exclude ticks before ``ts``."""
        self.block_start = None if self.block_start is None else max(self.block_start, ts)

    def to_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _KEPT}

    def load_state(self, state: Mapping[str, Any]) -> None:
        for name in _KEPT:
            setattr(self, name, state[name])


_KEPT: Final = ("block_start", "count", "total", "squares", "max_log_e")


def _sides(
    ticks: Sequence[CanaryTick], start: float, end: float, base: Mapping[str, float], on: Mapping[str, bool | None]
) -> tuple[list[float], list[float]]:
    """Return the ticks of [start, end) divided by their symbols' baselines: with the cache, and without."""
    sides: dict[bool | None, list[float]] = {True: [], False: [], None: []}
    low, high = (bisect_left(ticks, edge, key=itemgetter(0)) for edge in (start, end))
    for tick in ticks[low:high]:
        if tick.fetch_md_ms is not None and base.get(tick.symbol, 0.0) > 0:
            sides[on[tick.symbol]].append(tick.fetch_md_ms / base[tick.symbol])
    return sides[True], sides[False]


def block_difference(with_cache: Sequence[float], without: Sequence[float]) -> float | None:
    """Return ``log p95(on) - log p95(off)``; None if a side has fewer than `MIN_TICKS` or a p95 of 0.

    >>> round(block_difference([1.3] * 50, [1.0] * 60), 4)
    0.2624
    """
    if min(len(with_cache), len(without)) < MIN_TICKS:
        return None
    on, off = upper_quantile(with_cache), upper_quantile(without)
    return math.log(on / off) if on > 0 and off > 0 else None


def upper_quantile(values: Sequence[float]) -> float:
    """Return the 95th percentile at the plotting position ``0.95 (n + 1)`` of at least 19 values.

    Its mean rank does not depend on the number of values. With the position ``0.95 (n - 1) + 1`` of calib's other
    quantiles, the side with fewer ticks would appear faster.

    >>> upper_quantile([float(n) for n in range(1, 40)])
    38.0
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    position = 0.95 * (len(ordered) + 1) - 1
    low = min(int(position), len(ordered) - 1)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (position - low) * (ordered[high] - ordered[low]))
