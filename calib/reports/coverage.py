"""The coverage of a dataset: the share of the intervals of its range that have data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.dataset.model import Dataset

LOW: Final = 0.5
"""Share below which a symbol, or the bot, was not running for most of the range."""
UNUSABLE: Final = 1 / 24
"""Share below which a dataset is not usable, an hour per day: the bot was down."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Intervals with at least one tick or fill, kept or dropped.

    Parameters
    ----------
    with_data, of_range
        Number of intervals with data, and of intervals of the range times the symbols.
    by_symbol
        Share of each symbol, 0..1.
    """

    with_data: int
    of_range: int
    by_symbol: dict[str, float]

    @property
    def ratio(self) -> float | None:
        """Share of the range with data, 0..1; None without symbols."""
        return self.with_data / self.of_range if self.of_range else None

    @classmethod
    def of(cls, dataset: Dataset) -> Coverage:
        """Return the coverage of a dataset."""
        span = dataset.range
        slots = (span.to_ts - span.from_ts) // span.interval_sec
        counts = dict.fromkeys(span.symbols, 0)
        for frame in (dataset.intervals, dataset.dropped):
            for symbol, rows in frame["symbol"].value_counts().iter_rows():
                counts[symbol] += rows
        shares = {symbol: rows / slots for symbol, rows in counts.items()}
        return cls(sum(counts.values()), slots * len(counts), shares)
