"""Compute the markout of each fill from the book feed of its day; the targets ``markout_*`` are averages of these."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from calib.feeds.reading.days import DayFile
from calib.feeds.reading.record_reading import read_records

if TYPE_CHECKING:
    import polars as pl

    from calib.recorded.arrays import Bools, Floats
    from calib.recorded.tops import Tops

HORIZONS_S: Final[Mapping[str, float]] = {"markout_1s_bps": 1.0, "markout_5s_bps": 5.0, "markout_30s_bps": 30.0}
"""Horizon of each target, s."""
MAX_MID_AGE_S: Final = 5.0
"""Longest time that a mid is used after it was last seen, s."""
CLOCK_SHARE: Final = 0.99
"""Smallest share of a book's lines with the exchange's time for its clock to be used, 0..1."""

ReadBook = Callable[[DayFile], contextlib.AbstractContextManager[Iterator[Any]]]
"""Returns a context with the records of a book file; may store the file's statistics once they are exhausted."""


@dataclass(slots=True)
class BookMarkouts:
    """Adds the markouts to the fills of a day. Only the books of one day are in memory at a time.

    Parameters
    ----------
    books
        The book files of the range and of the day after it.
    read
        Reads the whole book file of a fills' day.
    """

    books: Sequence[DayFile]
    read: ReadBook
    glances: dict[DayFile, tuple[int, str, bool]] = field(default_factory=dict)
    """Bytes read, their sha256 and whether the whole file was read, of each book read for the day before it."""
    _day: int | None = None
    _tops: dict[str, Tops] = field(default_factory=dict)

    def add(self, batch: pl.DataFrame, day: int) -> pl.DataFrame:
        """Return the batch with a column of markouts, bps, for each horizon.

        A markout is s (M_(t+h) - mid_now) / mid_at_quote x 1e4, where s is 1 for a buy and -1 for a sell. It is null if
        it is not known.

        Parameters
        ----------
        day
            First second of the fills' day, Unix seconds.
        """
        import polars as pl

        names = list(HORIZONS_S)
        if not self.has_book(day):
            return batch.with_columns(pl.lit(None, pl.Float64).alias(name) for name in names)
        columns = {name: np.full(batch.height, np.nan) for name in names}
        symbols = np.array(batch["symbol"].to_list(), dtype=object)
        for symbol, tops in self.tops(day).items():
            rows = np.flatnonzero(symbols == symbol)
            if len(rows):
                for name, values in markouts_of(MarkedFills.of(batch[rows]), tops).items():
                    columns[name][rows] = values
        return batch.with_columns(pl.Series(name, columns[name], nan_to_null=True) for name in names)

    def has_book(self, day: int) -> bool:
        """Whether there is a book file of the day that begins at ``day`` (Unix seconds)."""
        return any(file.first_ts == day for file in self.books)

    def tops(self, day: int) -> dict[str, Tops]:
        """Return the best levels of a day by symbol. The day of the last call is cached."""
        if self._day != day:
            self._tops, self._day = self._load(day), day
        return self._tops

    def _load(self, day: int) -> dict[str, Tops]:
        from calib.recorded.tops import TopRecorder

        recorders: dict[str, TopRecorder] = {}
        for record in self._records(day):
            if record.symbol not in recorders:
                recorders[record.symbol] = TopRecorder(record.symbol)
            recorders[record.symbol].add(record)
        return {symbol: recorder.finish() for symbol, recorder in sorted(recorders.items())}

    def _records(self, day: int) -> Iterator[Any]:
        """Yield the records of the day's book, and those of the next day's up to the longest horizon."""
        until = day + 86_400 + max(HORIZONS_S.values())
        for file in self.books:
            if file.first_ts == day:
                with self.read(file) as records:
                    yield from records
            elif file.first_ts == day + 86_400:
                reading = read_records(file, newest=True)
                ended = True
                for _, record in reading:
                    if record.ts > until:
                        ended = False
                        break
                    yield record
                self.glances[file] = reading.bytes_read, reading.sha256_read, ended


@dataclass(frozen=True, slots=True)
class MarkedFills:
    """The fills of one symbol as arrays; NaN where a number is missing.

    Parameters
    ----------
    ts, ts_exchange, mid_now, mid_at_quote
        Columns of the feed: times in Unix seconds, mids in quote currency.
    buy, maker
        Whether a fill is a buy, and whether it is a maker fill.
    """

    ts: Floats
    ts_exchange: Floats
    mid_now: Floats
    mid_at_quote: Floats
    buy: Bools
    maker: Bools

    @classmethod
    def of(cls, fills: pl.DataFrame) -> MarkedFills:
        """Return the fills of a frame."""
        names = ("ts", "ts_exchange", "mid_now", "mid_at_quote")
        numbers = [np.array(fills[name].fill_null(float("nan")).to_list(), float) for name in names]
        buy, maker = (
            np.array(fills[name].to_list()) == value for name, value in (("side", "buy"), ("liquidity", "maker"))
        )
        return cls(numbers[0], numbers[1], numbers[2], numbers[3], buy, maker)


def markouts_of(fills: MarkedFills, tops: Tops) -> dict[str, Floats]:
    """Return the markouts of one symbol's fills by horizon, bps; NaN for taker fills and where it is not known."""
    sign = np.where(fills.buy, 1.0, -1.0)
    base = np.where(np.isnan(fills.mid_at_quote), fills.mid_now, fills.mid_at_quote)
    # A fill without the exchange's time uses the mids by receive time. Times of the two clocks are never mixed.
    clocks = {"receive": fills.ts}
    if tops.exchange_share >= CLOCK_SHARE:
        clocks["exchange"] = fills.ts_exchange
    found = {name: np.full(len(fills.ts), np.nan) for name in HORIZONS_S}
    for clock, times in clocks.items():
        mids = tops.mids(clock, MAX_MID_AGE_S)
        gap = mids.median_gap_s()
        for name, horizon in HORIZONS_S.items():
            later = mids.at(times + horizon, MAX_MID_AGE_S)
            later[mids.broken(times, times + horizon)] = np.nan
            value = sign * (later - fills.mid_now) / base * 1e4
            known = np.isfinite(times) & fills.maker & (gap <= horizon)
            found[name] = np.where(known, value, found[name])
    return found
