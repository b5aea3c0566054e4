"""Compute the markout of each fill from the book feed of its day; the targets ``markout_*`` are averages of these."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from calib.feeds.reading.days import DayFile
from calib.feeds.reading.record_reading import read_records
from calib.recorded.mid_lookup import MidLookup
from calib.recorded.top_recorder import TopRecorder, TopRows

if TYPE_CHECKING:
    import polars as pl

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
    _by_symbol: dict[str, SymbolMarkouts] = field(default_factory=dict)

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
        unknown, by_symbol = [math.nan] * len(names), self.by_symbol(day)
        numbers = pl.col("ts", "ts_exchange", "mid_now", "mid_at_quote").fill_null(math.nan)
        found = [
            by_symbol[symbol].of(MarkedFill(side == "buy", *given))
            if liquidity == "maker" and symbol in by_symbol
            else unknown
            for symbol, liquidity, side, *given in batch.select("symbol", "liquidity", "side", numbers).iter_rows()
        ]
        columns = zip(*found, strict=True) if found else [()] * len(names)
        return batch.with_columns(
            pl.Series(name, values, pl.Float64).fill_nan(None) for name, values in zip(names, columns, strict=True)
        )

    def has_book(self, day: int) -> bool:
        """Whether there is a book file of the day that begins at ``day`` (Unix seconds)."""
        return any(file.first_ts == day for file in self.books)

    def by_symbol(self, day: int) -> dict[str, SymbolMarkouts]:
        """Return what computes the markouts of a day, by symbol. The day of the last call is cached."""
        if self._day != day:
            self._by_symbol, self._day = self._load(day), day
        return self._by_symbol

    def _load(self, day: int) -> dict[str, SymbolMarkouts]:
        recorders: dict[str, TopRecorder] = {}
        for record in self._records(day):
            if record.symbol not in recorders:
                recorders[record.symbol] = TopRecorder(record.symbol)
            recorders[record.symbol].add(record)
        return {symbol: SymbolMarkouts(recorder.rows()) for symbol, recorder in sorted(recorders.items())}

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


class MarkedFill(NamedTuple):
    """What the markouts of a fill depend on; NaN where a number is missing.

    Parameters
    ----------
    buy
        Whether it is a buy.
    ts, ts_exchange, mid_now, mid_at_quote
        Columns of the feed: times in Unix seconds, mids in quote currency.
    """

    buy: bool
    ts: float
    ts_exchange: float
    mid_now: float
    mid_at_quote: float


class SymbolMarkouts:
    """Computes the markouts of the maker fills of one symbol from the best levels of its book.

    It takes one fill at a time and does not use numpy: replaying the book takes much longer than computing all fills.
    """

    def __init__(self, rows: TopRows) -> None:
        # A fill without the exchange's time uses the mids by receive time. Times of the two clocks are never mixed.
        self._receive = MidLookup.of(rows, "receive", MAX_MID_AGE_S)
        self._receive_gap_s = self._receive.median_gap_s()
        self._exchange = None
        if rows.exchange_share >= CLOCK_SHARE:
            self._exchange = MidLookup.of(rows, "exchange", MAX_MID_AGE_S)
            self._exchange_gap_s = self._exchange.median_gap_s()

    def of(self, fill: MarkedFill) -> list[float]:
        """Return one markout for each horizon, bps; NaN if it is not known."""
        return [self._at(fill, horizon) for horizon in HORIZONS_S.values()]

    def _at(self, fill: MarkedFill, horizon: float) -> float:
        if self._exchange is not None and self._exchange_gap_s <= horizon and math.isfinite(fill.ts_exchange):
            return _markout(fill, self._exchange, fill.ts_exchange, horizon)
        return _markout(fill, self._receive, fill.ts, horizon) if self._receive_gap_s <= horizon else math.nan


def _markout(fill: MarkedFill, mids: MidLookup, time_s: float, horizon: float) -> float:
    """s (M_(t+h) - mid_now) / mid_at_quote x 1e4."""
    if mids.broken(time_s, time_s + horizon):
        return math.nan
    later = mids.at(time_s + horizon)
    base = fill.mid_now if math.isnan(fill.mid_at_quote) else fill.mid_at_quote
    return (1.0 if fill.buy else -1.0) * (later - fill.mid_now) / base * 1e4
