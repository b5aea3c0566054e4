"""Exact quantiles, mean and maximum of any number of values in bounded memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, TypeAlias

import numpy as np

from calib.files import AnonymousTempFile

HELD: Final = 8192
"""Approximate number of values that a sample keeps in memory; the others are in the file."""
_AT_ONCE: Final = 1 << 17
"""Number of values processed at a time."""
_DIGIT: Final = 16
"""Bits per digit of the radix search: a double has four digits."""
_Doubles: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"


class Sample:
    """A sample of numbers >= 0, collected one by one.

    Parameters
    ----------
    file
        Holds the values that do not fit into memory; may be shared by any number of samples.

    Attributes
    ----------
    new
        Append values here; call `settle` when there are about `HELD` of them.

    >>> sample = Sample(AnonymousTempFile())
    >>> sample.new.extend([4.0, 1.0, 2.0, 3.0])
    >>> sample.settle()
    >>> sample.new.append(10.0)
    >>> len(sample), sample.quantiles([0.5, 1.0]), sample.mean, sample.max
    (5, [3.0, 10.0], 4.0, 10.0)
    """

    __slots__ = ("_file", "_parts", "_settled", "_stored", "new")

    def __init__(self, file: AnonymousTempFile) -> None:
        self.new: array[float] = array("d")
        self._file = file
        self._stored: list[tuple[int, int]] = []
        self._settled = 0
        self._parts: list[Sample] = []

    def __len__(self) -> int:
        return self._settled + len(self.new) + sum(map(len, self._parts))

    def settle(self) -> None:
        """Move the new values to the file."""
        if self.new:
            data = self.new.tobytes()
            self._stored.append((self._file.append(data), len(data)))
            self._settled += len(self.new)
            self.new = array("d")

    def include(self, other: Sample) -> None:
        """Add the other sample's values, present and future, to this one."""
        self._parts.append(other)

    def quantiles(self, ratios: Sequence[float]) -> list[float] | None:
        """The quantiles, linear between order statistics, bit-identical to numpy's; None for an empty sample."""
        last = len(self) - 1
        if last < 0:
            return None
        positions = [ratio * last for ratio in ratios]
        below = [math.floor(position) for position in positions]
        found = self._ranked({rank for low in below for rank in (low, min(low + 1, last))})
        return [
            _interpolated(found[low], found[min(low + 1, last)], position - low)
            for low, position in zip(below, positions, strict=True)
        ]

    @property
    def mean(self) -> float | None:
        """The mean, computed from the exact sum; None for an empty sample."""
        count = len(self)
        return math.fsum(chain.from_iterable(self._blocks())) / count if count else None

    @property
    def max(self) -> float | None:
        """The maximum; None for an empty sample."""
        return max((float(block.max()) for block in self._blocks()), default=None)

    def _blocks(self) -> Iterator[_Doubles]:
        for begin, size in self._stored:
            yield np.frombuffer(self._file.read(begin, size))
        if self.new:
            yield np.frombuffer(self.new)
        for part in self._parts:
            yield from part._blocks()

    def _ranked(self, ranks: Iterable[int]) -> dict[int, float]:
        """The values at these ranks, counted from 0.

        A radix search: the order of non-negative doubles is that of their bits as integers. Each pass over all values
        determines one more digit of the values sought.
        """
        if len(self) <= _AT_ONCE:
            places = sorted(ranks)
            ordered = np.partition(np.concatenate(list(self._blocks())), places)
            return {place: float(ordered[place]) for place in places}
        sought = {rank: (0, rank) for rank in ranks}  # the leading digits known, and the rank among values with them
        for shift in range(64 - _DIGIT, -1, -_DIGIT):
            counts = self._cumulative_counts({known for known, _ in sought.values()}, shift)
            for rank, (known, place) in sought.items():
                up_to = counts[known]
                digit = int(np.searchsorted(up_to, place, side="right"))
                sought[rank] = known << _DIGIT | digit, place - (int(up_to[digit - 1]) if digit else 0)
        return {rank: float(np.uint64(bits).view(np.float64)) for rank, (bits, _) in sought.items()}

    def _cumulative_counts(self, prefixes: set[int], shift: int) -> dict[int, np.ndarray[Any, np.dtype[np.int64]]]:
        """For each prefix: the cumulative counts of the next digit, over the values with that prefix."""
        counts = {known: np.zeros(1 << _DIGIT, np.int64) for known in prefixes}
        for numbers in _rebatched(self._blocks()):
            bits = (numbers + 0.0).view(np.uint64)  # turns -0.0 into 0.0
            for known, found in counts.items():
                inside = bits if shift + _DIGIT == 64 else bits[bits >> np.uint64(shift + _DIGIT) == np.uint64(known)]
                digits = (inside >> np.uint64(shift)) & np.uint64((1 << _DIGIT) - 1)
                found += np.bincount(digits.astype(np.int64), minlength=1 << _DIGIT)
        return {known: np.cumsum(found) for known, found in counts.items()}


def _rebatched(blocks: Iterable[_Doubles]) -> Iterator[_Doubles]:
    """The same values in larger blocks."""
    held: list[_Doubles] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= _AT_ONCE:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def _interpolated(low: float, high: float, share: float) -> float:
    """Interpolate like numpy: from the nearer end."""
    step = high - low
    return high - step * (1.0 - share) if share >= 0.5 else low + step * share
