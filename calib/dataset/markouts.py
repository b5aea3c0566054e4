"""Each fill's markout, from the book feed of its day: what the targets ``markout_*`` are averaged from."""

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
"""How long a mid stands after it was last seen, s."""
CLOCK_SHARE: Final = 0.99
"""The exchange's clock is used where at least this share of a book's lines has it."""

ReadBook = Callable[[DayFile], contextlib.AbstractContextManager[Iterator[Any]]]
"""Gives the records of a book file, and keeps what was found in it once they are exhausted."""


@dataclass(slots=True)
class BookMarkouts:
    """Adds the markouts to the fills of a day; the books of one day are kept at a time.

    Parameters
    ----------
    books
        The book files of the range, and of the day after it.
    read
        Reads one of them for the first time.
    """

    books: Sequence[DayFile]
    read: ReadBook
    glances: dict[DayFile, tuple[int, str, bool]] = field(default_factory=dict)
    """Of each book that was read for the sake of the day before: bytes read, their sha256, whether that was all."""
    _day: int | None = None
    _tops: dict[str, Tops] = field(default_factory=dict)

    def add(self, batch: pl.DataFrame, day: int) -> pl.DataFrame:
        """The batch with one column a horizon: s (M_(t+h) - mid_now) / mid_at_quote x 1e4; null where it is not known.

        Parameters
        ----------
        day
            First second of the fills' day, Unix time.
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
        """Whether there is a book of the day that begins at ``day``."""
        return any(file.first_ts == day for file in self.books)

    def tops(self, day: int) -> dict[str, Tops]:
        """The best levels of a day by symbol; those of the day asked for last are kept."""
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
        """The day's book, and that of the next day as far as the longest horizon reaches."""
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
        As the feed has them.
    buy, maker
        Whether a fill is a buy, and whether it is a maker's.
    """

    ts: Floats
    ts_exchange: Floats
    mid_now: Floats
    mid_at_quote: Floats
    buy: Bools
    maker: Bools

    @classmethod
    def of(cls, fills: pl.DataFrame) -> MarkedFills:
        """From a frame."""
        names = ("ts", "ts_exchange", "mid_now", "mid_at_quote")
        numbers = [np.array(fills[name].fill_null(float("nan")).to_list(), float) for name in names]
        buy, maker = (
            np.array(fills[name].to_list()) == value for name, value in (("side", "buy"), ("liquidity", "maker"))
        )
        return cls(numbers[0], numbers[1], numbers[2], numbers[3], buy, maker)


def markouts_of(fills: MarkedFills, tops: Tops) -> dict[str, Floats]:
    """By horizon, of the maker fills of one symbol; NaN where it is not known."""
    sign = np.where(fills.buy, 1.0, -1.0)
    base = np.where(np.isnan(fills.mid_at_quote), fills.mid_now, fills.mid_at_quote)
    # A fill without the venue's time is looked up among the mids by time of receipt: never one clock in the other.
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
