"""Medians with confidence intervals from a block bootstrap, which allows for dependence in time.

Neighbouring intervals, and symbols within one interval, are not independent; resampling single rows would make the
confidence interval too narrow. So the range is cut into equal blocks of time, each with all of its symbols, and whole
blocks are drawn with replacement (Carlstein 1986; Lahiri, *Resampling Methods for Dependent Data*, 2003, chapter 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from calib.dataset.model import Dataset

MAX_BLOCKS: Final = 64
MIN_BLOCKS: Final = 8
"""Minimum number of blocks with a value for a confidence interval."""
LEVELS: Final = 4096
"""Maximum number of distinct values for exact medians of resamples; more values are rounded to this many quantiles."""
RESAMPLES: Final = 1000
COVERAGE: Final = 0.95
_SEED: Final = 1986


@dataclass(frozen=True, slots=True)
class MedianEstimate:
    """A median with the ends of its 95 % confidence interval; None if it cannot be computed."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Resamples:
    """A column's median, and the medians of its resamples; the latter are empty with fewer than `MIN_BLOCKS` blocks."""

    median: float | None
    medians: npt.NDArray[np.float64]

    def estimate(self) -> MedianEstimate:
        """Return the median with its confidence interval."""
        return MedianEstimate(self.median, *_ends(self.medians))

    def shift_to(self, other: Resamples) -> MedianEstimate:
        """Return the other's median less this one, with its confidence interval; the resamples are independent."""
        if self.median is None or other.median is None:
            return MedianEstimate(None, None, None)
        known = self.medians.size and other.medians.size
        return MedianEstimate(other.median - self.median, *_ends(other.medians - self.medians if known else _EMPTY))


_EMPTY: Final = np.empty(0)


def block_count(slots: int) -> int:
    """Return the number of blocks for a number of intervals: the block length grows as its cube root, up to 64 blocks.

    >>> block_count(72), block_count(288), block_count(8640), block_count(1)
    (17, 43, 64, 1)
    """
    return max(1, min(MAX_BLOCKS, int(slots ** (2 / 3) + 1e-9)))


def resampled(dataset: Dataset, column: str, *, stream: int = 0) -> Resamples:
    """Return the medians of resamples of a column over the kept intervals.

    Parameters
    ----------
    stream
        Number of the random stream: two columns that are compared need different ones.
    """
    found = dataset.intervals.select("start_ts", column).drop_nulls(column)
    values = found[column].to_numpy()
    if not values.size:
        return Resamples(None, _EMPTY)
    span = dataset.range
    blocks = block_count((span.to_ts - span.from_ts) // span.interval_sec)
    # Integer arithmetic: with floats, rounding could move an interval at a block's edge.
    place = (found["start_ts"].to_numpy() - span.from_ts) * blocks // (span.to_ts - span.from_ts)
    return resampled_blocks(values, place, blocks, stream=stream)


def resampled_blocks(
    values: npt.NDArray[np.float64], place: npt.NDArray[np.int64], blocks: int, *, stream: int = 0
) -> Resamples:
    """Return the medians of resamples of values; ``place`` is each value's block, 0 to ``blocks`` - 1."""
    median = _median(values)
    levels = np.unique(values)
    if levels.size > LEVELS:
        levels = np.unique(np.quantile(levels, np.linspace(0.0, 1.0, LEVELS), method="higher"))
    at = np.searchsorted(levels, values, side="left")
    counts = np.bincount(place * levels.size + at, minlength=blocks * levels.size).reshape(blocks, levels.size)
    counts = counts[counts.sum(axis=1) > 0]
    if len(counts) < MIN_BLOCKS:
        return Resamples(median, _EMPTY)
    draws = np.random.default_rng([_SEED, stream]).integers(0, len(counts), (RESAMPLES, len(counts)))
    weights = np.apply_along_axis(np.bincount, 1, draws, minlength=len(counts)).astype(np.float64)
    total = np.cumsum(weights @ counts.astype(np.float64), axis=1)
    n = total[:, -1]
    low, high = _first_past(total, (n + 1) // 2), _first_past(total, n // 2 + 1)
    return Resamples(median, levels[low] / 2 + levels[high] / 2)


def _first_past(total: npt.NDArray[np.float64], rank: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    place: npt.NDArray[np.intp] = np.argmax(total >= rank[:, None], axis=1)
    return place


def _median(values: npt.NDArray[np.float64]) -> float:
    half = len(values) // 2
    parts = np.partition(values, [max(0, half - 1), half])
    # Halved before adding: the sum of two large doubles could overflow.
    return float(parts[half] if len(values) % 2 else parts[half - 1] / 2 + parts[half] / 2)


def _ends(medians: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    if not medians.size:
        return None, None
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(medians, [tail, 1 - tail], method="linear")
    return float(low), float(high)
