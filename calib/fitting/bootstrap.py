"""Block bootstrap of ratios of sums, and adjustment of p values for multiple comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from calib.fitting.arrays import Floats, Ints, chunks, sums_by

DRAWS: Final = 1_000
SEED: Final = 20_250_101
MIN_BLOCKS: Final = 20
"""Minimum number of blocks for an interval."""
MIN_BLOCK_S: Final = 60.0
_DRAWS_AT_ONCE: Final = 100


def block_length_s(horizon_s: float) -> float:
    """Block length for markouts at a horizon: their windows overlap, so neighbours are correlated."""
    return max(MIN_BLOCK_S, 4 * horizon_s)


def block_sums(blocks: Ints, columns: Sequence[Floats]) -> Floats:
    """Sums of each column over the blocks that occur; one row per column, one column per block in order."""
    found, places = np.unique(blocks, return_inverse=True)
    return np.stack([sums_by(places, column, len(found)) for column in columns])


def resampled(sums: Floats, *, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """The sums (rows) over ``draws`` bootstrap samples of the blocks (columns): ``result[row, draw]``.

    Every row uses the same draws, so that differences between rows are based on the same blocks.
    """
    size = sums.shape[1]
    random = np.random.default_rng(seed)
    result = np.empty((sums.shape[0], draws))
    held = [np.flatnonzero(row) for row in sums]
    for part in chunks(draws, _DRAWS_AT_ONCE):
        times = np.stack([_times(random, size) for _ in range(part.stop - part.start)])
        for row, places in enumerate(held):
            chosen = times if len(places) == size else times[:, places]
            # einsum instead of a matrix product, whose order of summation may depend on the number of threads.
            result[row, part] = np.einsum("ij,j->i", chosen, sums[row, places])
    return result


def _times(random: np.random.Generator, size: int) -> Floats:
    """Number of times that each block is drawn."""
    return np.bincount(random.integers(0, size, size), minlength=size).astype(np.float64)


def percentile_interval(values: Floats, level: float) -> tuple[float | None, float | None]:
    """The central ``level`` of the draws; None if more than 1 % of the draws are not finite."""
    if not len(values) or not np.all(np.isfinite(values)):
        known = values[np.isfinite(values)]
        if len(known) < 0.99 * max(1, len(values)):
            return None, None
        values = known
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def ratio_interval(
    numerator: Floats, denominator: Floats, blocks: Ints, *, level: float, draws: int = DRAWS, seed: int = SEED
) -> tuple[float | None, float | None]:
    """Interval of ``sum(numerator) / sum(denominator)``; None with fewer than 20 blocks."""
    sums = block_sums(blocks, [numerator, denominator])
    if sums.shape[1] < MIN_BLOCKS:
        return None, None
    drawn = resampled(sums, draws=draws, seed=seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return percentile_interval(drawn[0] / drawn[1], level)


def two_sided_p(draws: Floats) -> float:
    """Twice the smaller fraction of draws on one side of zero, at least 2 / (draws + 1)."""
    known = draws[np.isfinite(draws)]
    if not len(known):
        return 1.0
    tail = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (len(known) + 1))


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjust p values to control the false discovery rate (Benjamini and Hochberg 1995).

    >>> benjamini_hochberg([0.01, 0.04, 0.03])
    [0.03, 0.04, 0.04]
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, smallest = [1.0] * len(p_values), 1.0
    for rank in range(len(order), 0, -1):
        place = order[rank - 1]
        smallest = min(smallest, p_values[place] * len(order) / rank)
        adjusted[place] = min(1.0, round(smallest, 15))
    return adjusted


def day_of(times_s: Floats) -> Ints:
    """The number of the UTC day."""
    return np.floor(times_s / 86_400).astype(np.int64)


def block_of(times_s: Floats, length_s: float) -> Ints:
    """The number of the calendar block of that length."""
    return np.floor(times_s / length_s).astype(np.int64)
