"""Loading a feed directory into the rows of each symbol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from calib.errors import NoLines, NoSuchSymbol
from calib.feeds.reading.batches import read_batches, read_records, within
from calib.feeds.reading.days import DayFile, days_missing, find_days, newest_days
from calib.feeds.reading.rejects import RejectWriter, check_ratio, rejects_path, rejects_to
from calib.feeds.reading.stats import FileStats
from calib.fitting.arrays import Floats
from calib.fitting.rows import FillRows, QuoteRows, TickRows, TradeRows
from calib.recorded.tops import TopRecorder, Tops

DAY_S: Final = 86_400
KINDS: Final = ("fills", "quotes", "book", "trades", "pipeline_ticks")
_CACHE: Final = ("used_stale", "cache_age_ms")
_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "fills": (
        *("ts", "symbol", "side", "price", "qty", "liquidity", "mid_now", "mid_at_quote", "fee_bps", "latency_ms"),
        *("quote_id", "ts_quote", "ts_exchange", *_CACHE),
    ),
    "quotes": (
        *("ts", "symbol", "side", "price", "qty", "ts_open", "ts_close", "close_reason", "qty_filled"),
        *("queue_ahead_open", "mid_open", "quote_id", *_CACHE),
    ),
    "trades": ("ts", "symbol", "side", "price", "qty", "ts_exchange"),
    "pipeline_ticks": ("ts", "symbol", "tick_total_ms", "mid", *_CACHE),
}


@dataclass(frozen=True, slots=True)
class SymbolRows:
    """All rows of one symbol within the range; a feed without lines has an empty table."""

    symbol: str
    fills: FillRows
    quotes: QuoteRows
    trades: TradeRows
    ticks: TickRows
    tops: Tops | None


@dataclass(slots=True)
class FitFeeds:
    """The feed files of one range.

    Parameters
    ----------
    directory
        The feed directory.
    start, end
        ``[start, end)``, Unix seconds; None: all days found.
    symbols
        Only these symbols; empty for all.
    kinds
        The kinds of feeds to read.
    maker_fee_bps, taker_fee_bps
        Fee of fills without ``fee_bps``.
    out
        Directory in which rejects are written; None: they are only counted.
    max_reject_ratio
        See `calib.feeds.reading.rejects.check_ratio`.
    """

    directory: Path
    start: float | None = None
    end: float | None = None
    symbols: tuple[str, ...] = ()
    kinds: tuple[str, ...] = KINDS
    maker_fee_bps: float = 0.0
    taker_fee_bps: float = 0.0
    out: Path | None = None
    max_reject_ratio: float = 0.01
    progress: Callable[[float], None] = lambda _: None
    stats: list[FileStats] = field(default_factory=list)
    present: set[str] = field(default_factory=set)
    """Every symbol in the files."""
    _files: list[DayFile] = field(default_factory=list)
    _newest: frozenset[DayFile] = frozenset()

    def files(self) -> list[DayFile]:
        """The files of the range, by kind and day.

        Raises
        ------
        NoFeeds, NoLines
            If there are no feed files, or none of these days.
        """
        if not self._files:
            found = find_days(self.directory, self.kinds)
            self._newest = newest_days(found)
            first = min(file.day for file in found) if self.start is None else _day(self.start)
            last = max(file.day for file in found) if self.end is None else _day(self.end - 1e-6)
            self._files = [file for file in found if first <= file.day <= last]
            if not self._files:
                days = f"{min(file.day for file in found)} to {max(file.day for file in found)}"
                raise NoLines(
                    "no feed file of a day within the range",
                    where=str(self.directory),
                    hint=f"There are feeds of {days}",
                )
        return self._files

    def span(self) -> tuple[float, float]:
        """The range; an open side is the start of the first or the end of the last day found."""
        days = [file.day for file in self.files()]
        start = _first_ts(min(days)) if self.start is None else self.start
        end = _first_ts(max(days) + timedelta(days=1)) if self.end is None else self.end
        return start, end

    def has(self, kind: str) -> bool:
        """Whether there is a file of that kind in the range."""
        return any(file.kind == kind for file in self.files())

    def missing_days(self) -> dict[str, list[str]]:
        """Days of the range without a file, by kind; only kinds with files in the range."""
        start, end = self.span()
        first, last = _day(start), _day(end - 1e-6)
        return {
            kind: [str(day) for day in days_missing(self.files(), kind, first, last)]
            for kind in self.kinds
            if self.has(kind)
        }

    def load(self) -> list[SymbolRows]:
        """Read everything and return one `SymbolRows` per symbol, sorted by name.

        Raises
        ------
        InputError
            A subclass: damaged files, too many bad lines, no line in the range, unknown symbols.
        """
        frames = {kind: self._frames(kind) for kind in self.kinds if kind != "book"}
        tops = self._tops() if "book" in self.kinds else {}
        for stats in self.stats:
            check_ratio(stats, self.max_reject_ratio)
        parts = {kind: _by_symbol(frame) for kind, frame in frames.items()}
        names = sorted({name for part in parts.values() for name in part} | set(tops))
        self._check(names)
        fees = (self.maker_fee_bps, self.taker_fee_bps)
        return [
            SymbolRows(
                name,
                _fills(parts.get("fills", {}).get(name), fees),
                _quotes(parts.get("quotes", {}).get(name)),
                _trades(parts.get("trades", {}).get(name)),
                _ticks(parts.get("pipeline_ticks", {}).get(name)),
                tops.get(name),
            )
            for name in names
        ]

    def _check(self, names: Sequence[str]) -> None:
        if names:
            return
        if self.symbols and self.present:
            there = sorted(self.present)
            more = f" and {len(there) - 10} more" if len(there) > 10 else ""
            raise NoSuchSymbol(
                f"none of these symbols occurs in the feeds: {', '.join(self.symbols)}",
                where=str(self.directory),
                hint=f"The feeds contain {', '.join(there[:10])}{more}",
            )
        raise NoLines(
            "no usable line in the range",
            where=str(self.directory),
            hint="Check --from and --to; `calib check` lists the content of each file",
        )

    def _frames(self, kind: str) -> pl.DataFrame:
        frames = []
        for file in self.files():
            if file.kind == kind:
                with self._rejects(file) as rejects:
                    reading = read_batches(file, _COLUMNS[kind], newest=file in self._newest, rejects=rejects)
                    frames += [self._cut(batch) for batch in reading]
                self._note(reading.stats)
        frames = [frame for frame in frames if frame.height]
        # Equal times keep the order of files and lines.
        return pl.concat(frames).sort("ts", maintain_order=True) if frames else pl.DataFrame()

    def _cut(self, batch: pl.DataFrame) -> pl.DataFrame:
        self.present.update(batch["symbol"].unique())
        return batch.filter(within(self.start, self.end, self.symbols))

    def _tops(self) -> dict[str, Tops]:
        """The books of whole day files: lines before the range are needed to know the book at its start."""
        recorders: dict[str, TopRecorder] = {}
        for file in self.files():
            if file.kind != "book":
                continue
            with self._rejects(file) as rejects:
                reading = read_records(file, newest=file in self._newest, rejects=rejects)
                for _, record in reading:
                    name = record.symbol
                    if not self.symbols or name in self.symbols:
                        if name not in recorders:
                            recorders[name] = TopRecorder(name)
                        recorders[name].add(record)
            self._note(reading.stats)
        self.present.update(recorders)
        return {name: recorder.finish() for name, recorder in recorders.items()}

    def _rejects(self, file: DayFile) -> AbstractContextManager[RejectWriter | None]:
        return rejects_to(None if self.out is None else rejects_path(self.out, file.name))

    def _note(self, stats: FileStats) -> None:
        self.stats.append(stats)
        self.progress(stats.bytes)


def _day(ts: float) -> date:
    return datetime.fromtimestamp(ts, UTC).date()


def _first_ts(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _by_symbol(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    if not frame.height:
        return {}
    return {str(key[0]): part for key, part in frame.partition_by("symbol", as_dict=True, maintain_order=True).items()}


def _numbers(frame: pl.DataFrame | None, name: str) -> Floats:
    if frame is None:
        return np.zeros(0)
    return np.array(frame[name].cast(pl.Float64).fill_null(float("nan")).to_list(), float)


def _sign(frame: pl.DataFrame | None) -> Floats:
    return np.zeros(0) if frame is None else np.where(np.array(frame["side"].to_list()) == "buy", 1.0, -1.0)


def _texts(frame: pl.DataFrame | None, name: str) -> list[Any]:
    return [] if frame is None else frame[name].to_list()


def _fills(frame: pl.DataFrame | None, fees: tuple[float, float]) -> FillRows:
    maker = np.array([text == "maker" for text in _texts(frame, "liquidity")], bool)
    fee = _numbers(frame, "fee_bps")
    fee = np.where(np.isnan(fee), np.where(maker, *fees), fee)
    names = ("ts", "ts_exchange", "ts_quote", "price", "qty", "latency_ms", "mid_now", "mid_at_quote", *_CACHE)
    rest: dict[str, Any] = {name: _numbers(frame, name) for name in names}
    return FillRows(sign=_sign(frame), fee_bps=fee, maker=maker, quote_id=_texts(frame, "quote_id"), **rest)


def _quotes(frame: pl.DataFrame | None) -> QuoteRows:
    names = ("ts", "ts_open", "ts_close", "price", "qty", "qty_filled", "queue_ahead_open", "mid_open", *_CACHE)
    rest: dict[str, Any] = {name: _numbers(frame, name) for name in names}
    rest |= {name: _texts(frame, name) for name in ("close_reason", "quote_id")}
    return QuoteRows(sign=_sign(frame), **rest)


def _trades(frame: pl.DataFrame | None) -> TradeRows:
    names = ("ts", "ts_exchange", "price", "qty")
    return TradeRows(sign=_sign(frame), **{name: _numbers(frame, name) for name in names})


def _ticks(frame: pl.DataFrame | None) -> TickRows:
    return TickRows(**{name: _numbers(frame, name) for name in ("ts", "tick_total_ms", "mid", *_CACHE)})
