"""Join mids to fills without them, from the recorded book, or from the ticks if there is no book."""

from __future__ import annotations

import gzip
import itertools
import math
import sys
from array import array
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

import numpy as np
import orjson
import zstandard

from calib.feeds.reading.batches import read_records
from calib.feeds.reading.chunks import RECORDS_CHUNK, cut
from calib.feeds.reading.compression import StoredFile, contents
from calib.feeds.reading.days import DayFile, Form, find_days, newest_days
from calib.feeds.schema.table import FEEDS
from calib.feeds.schema.validation import judge_line, judge_record
from calib.files import write_atomic
from calib.importers.line_values import with_values
from calib.recorded.arrays import Bools, Floats
from calib.recorded.mids import Mids
from calib.recorded.tops import TopRecorder, Tops

MAX_AGE_S: Final = 5.0
"""Largest age of a mid since it was last seen, s."""
_VENUE_CLOCK: Final = 0.99
"""Smallest share of a book's lines with the venue's time for that clock to be used, 0..1."""
_MID, _QUOTED, _SPREAD = "mid_now", "mid_at_quote", "spread_at_quote_bps"
_QUOTE: Final = "ts_quote"
_AT_ONCE: Final = 4096
"""Number of fills that are looked up together."""
FIELDS: Final = (_QUOTED, _MID, _SPREAD)
"""The joined fields."""


@dataclass(slots=True)
class Enriched:
    """The counts of an enrichment.

    Parameters
    ----------
    fills
        Number of all fills.
    joined
        Field -> number of fills to which it was added.
    had, unknown
        Field -> number of fills that already had it, and that still lack it.
    sources
        ``book`` or ``ticks`` -> number of fills whose mid is from there.
    no_quote_time
        Number of fills that lack a field of the time of the quote, and to which none is joined because ``ts_quote`` is
        missing.
    written
        Path of each day file, and whether it changed.
    """

    fills: int = 0
    joined: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    had: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    unknown: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    sources: dict[str, int] = field(default_factory=lambda: {"book": 0, "ticks": 0})
    no_quote_time: int = 0
    written: list[tuple[Path, bool]] = field(default_factory=list)


def enrich(feeds: Path) -> Enriched:
    """Join the mids of a feed directory to its fills. The caller must hold the lock of the directory.

    The field ``mid_now`` is the last mid strictly before the fill: by the venue's clock if the fill and the book have
    it, else by the receive clock. If a fill has ``ts_quote``, the mid and the spread before that time are joined too,
    by the receive clock. Nothing is joined across a gap of the book, after its end, or from a mid older than
    `MAX_AGE_S`. Existing values of a fill are not changed.

    Raises
    ------
    NoFeeds
        If there are no fills.
    """
    files = find_days(feeds, ("fills", "book", "pipeline_ticks"))
    days = find_days(feeds, ("fills",))
    newest = newest_days(files)
    wanted = {fill["symbol"] for day in days for _, fill in _lines(day) if fill is not None and _lacks(fill)}
    known = _known(files, newest, wanted)
    found = Enriched()
    for day in days:
        found.written.append((day.local, _rewrite(day, known, found)))
    return found


def fills_of(feeds: Path, left_out: Counter[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the fills of a directory in the order of the log, including repeated ones.

    Parameters
    ----------
    left_out
        Counts the lines that are not valid fills, by reason.

    Raises
    ------
    NoFeeds
        If there is no file of fills.
    """
    schema = FEEDS["fills"]
    for day in find_days(feeds, ("fills",)):
        for line, fill in _lines(day):
            fault = judge_line(schema, line).fault if fill is None else judge_record(schema, fill)
            if fault is None and fill is not None:
                yield fill
            elif fault is not None and left_out is not None and line.strip():
                left_out[fault.reason] += 1


@dataclass(slots=True)
class _Known:
    """The mids of one symbol: from the book, and from the ticks."""

    tops: Tops | None = None
    ticks: Mids | None = None
    clocks: dict[str, Mids] = field(default_factory=dict)

    def mids(self, clock: str) -> Mids | None:
        """Return the book's mids by a clock (``exchange`` or ``receive``); None without a book."""
        if self.tops is None or not len(self.tops.ts):
            return None
        if clock not in self.clocks:
            self.clocks[clock] = self.tops.mids(clock, MAX_AGE_S)
        return self.clocks[clock]

    def mid(self, ts: Floats, ts_exchange: Floats) -> tuple[Floats, Bools]:
        """Return the mid strictly before each time, NaN if it is not known, and whether the ticks were used.

        Parameters
        ----------
        ts, ts_exchange
            Times of the fills, Unix seconds; ``ts_exchange`` is NaN if the fill has none.
        """
        found, ticks = np.full(len(ts), np.nan), np.zeros(len(ts), bool)
        venue = np.isfinite(ts_exchange) & (self.tops is not None and self.tops.exchange_share >= _VENUE_CLOCK)
        for clock, some, moments in (("exchange", venue, ts_exchange), ("receive", ~venue, ts)):
            book = self.mids(clock)
            if book is not None and len(book):
                found[some] = _at(book, moments[some])
            else:
                found[some], ticks[some] = _at(self.ticks, ts[some]), True
        return found, ticks

    def quoted(self, ts_quote: Floats) -> tuple[Floats, Floats]:
        """Return the mid and the spread (bps, only from a book) strictly before each quote was sent."""
        book = self.mids("receive")
        if book is None or self.tops is None:
            return _at(self.ticks, ts_quote), np.full(len(ts_quote), np.nan)
        mid = _at(book, ts_quote)
        bid, ask, _, _ = self.tops.at(np.nextafter(ts_quote, -np.inf), "receive")
        return mid, (ask - bid) / mid * 1e4


def _at(mids: Mids | None, moments: Floats) -> Floats:
    return np.full(len(moments), np.nan) if mids is None else mids.at(moments, MAX_AGE_S, before=True)


def _known(files: Sequence[DayFile], newest: Container[DayFile], wanted: set[str]) -> dict[str, _Known]:
    known = {symbol: _Known() for symbol in wanted}
    recorders = {symbol: TopRecorder(symbol) for symbol in wanted}
    for record in _records(files, "book", newest):
        if record.symbol in recorders:
            recorders[record.symbol].add(record)
    ticks: dict[str, tuple[array[float], array[float]]] = {symbol: (array("d"), array("d")) for symbol in wanted}
    for record in _records(files, "pipeline_ticks", newest):
        if record.symbol in known and record.mid is not None:
            ticks[record.symbol][0].append(record.ts)
            ticks[record.symbol][1].append(record.mid)
    for symbol, one in known.items():
        one.tops = recorders[symbol].finish()
        times, values = map(np.asarray, ticks[symbol])
        if len(times):
            order = np.argsort(times, kind="stable")
            one.ticks = Mids.of(times[order], values[order], max_step_s=MAX_AGE_S, source="ticks")
    return known


def _records(files: Sequence[DayFile], kind: str, newest: Container[DayFile]) -> Iterator[Any]:
    for file in files:
        if file.kind == kind:
            yield from (record for _, record in read_records(file, newest=file in newest))


def _lines(day: DayFile) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """Yield each line unchanged, and its fill; None if it is not a fill."""
    with StoredFile(day.path) as stored:
        # No limit of the line length: lines that are not fills are written back unchanged.
        for chunk in cut(contents(stored, day.form), RECORDS_CHUNK, sys.maxsize):
            for line in chunk.data.splitlines(keepends=True):
                try:
                    fill = orjson.loads(line)
                except orjson.JSONDecodeError:
                    fill = None
                whole = isinstance(fill, dict) and isinstance(fill.get("symbol"), str) and _is_time(fill.get("ts"))
                yield line, fill if whole else None


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _lacks(fill: dict[str, Any]) -> bool:
    return any(fill.get(name) is None for name in FIELDS)


class _NothingGained(Exception):
    """No fill of the day changed: keep the file, and discard the new one."""


def _rewrite(day: DayFile, known: dict[str, _Known], found: Enriched) -> bool:
    """Write the day file again if a fill of it changed; return whether it did. Other lines are not changed."""

    def write(handle: BinaryIO) -> None:
        changed = False
        with _packing(handle, day.form) as packed:
            lines = _lines(day)
            while batch := list(itertools.islice(lines, _AT_ONCE)):
                gained = _join([fill for _, fill in batch if fill is not None], known, found)
                for line, fill in batch:
                    new = next(gained) if fill is not None else {}
                    changed |= bool(new)
                    packed.write(with_values(line, new) if new else line)
        if not changed:
            raise _NothingGained

    try:
        return write_atomic(day.local, write)
    except _NothingGained:
        return False


def _join(fills: Sequence[dict[str, Any]], known: dict[str, _Known], found: Enriched) -> Iterator[dict[str, float]]:
    """Yield, for each fill, the known values of the fields that it lacks."""
    values: list[dict[str, float]] = [{} for _ in fills]
    by_symbol: dict[str, list[int]] = {}
    for place, fill in enumerate(fills):
        by_symbol.setdefault(fill["symbol"], []).append(place)
    for symbol, places in by_symbol.items():
        joined, ticks = _values([fills[place] for place in places], known.get(symbol) or _Known())
        for place, row, from_ticks in zip(places, joined, ticks, strict=True):
            values[place] = row
            if fills[place].get(_MID) is None and math.isfinite(row[_MID]):
                found.sources["ticks" if from_ticks else "book"] += 1
    return iter([_gain(fill, row, found) for fill, row in zip(fills, values, strict=True)])


def _values(fills: Sequence[dict[str, Any]], known: _Known) -> tuple[list[dict[str, float]], list[bool]]:
    """Return the fields for each fill of one symbol, NaN if not known, and whether its mid is from the ticks."""
    ts, exchange, quote = (np.array([_moment(fill, name) for fill in fills]) for name in ("ts", "ts_exchange", _QUOTE))
    mid, ticks = known.mid(ts, exchange)
    quoted, spread = np.full(len(fills), np.nan), np.full(len(fills), np.nan)
    some = np.isfinite(quote)
    quoted[some], spread[some] = known.quoted(quote[some])
    columns = {_QUOTED: quoted.tolist(), _MID: mid.tolist(), _SPREAD: spread.tolist()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return rows, ticks.tolist()


def _moment(fill: dict[str, Any], name: str) -> float:
    value: Any = fill.get(name)
    return float(value) if _is_time(value) else math.nan


def _gain(fill: dict[str, Any], values: dict[str, float], found: Enriched) -> dict[str, float]:
    """Return the known values of the fields that a fill lacks, and count them."""
    found.fills += 1
    had = {name for name in FIELDS if fill.get(name) is not None}
    if not _is_time(fill.get(_QUOTE)) and not {_QUOTED, _SPREAD} <= had:
        found.no_quote_time += 1
    gained = {
        name: values[name] for name in (_MID, _QUOTED, _SPREAD) if name not in had and math.isfinite(values[name])
    }
    for name in FIELDS:
        counts = found.had if name in had else found.joined if name in gained else found.unknown
        counts[name] += 1
    return gained


@contextmanager
def _packing(handle: BinaryIO, form: Form) -> Iterator[IO[bytes]]:
    """Return a context with a handle that compresses the content in the form of the day file."""
    match form:
        case Form.GZIP:
            with gzip.GzipFile("", "wb", fileobj=handle, mtime=0) as packed:
                yield cast("IO[bytes]", packed)
        case Form.ZSTD:
            with zstandard.ZstdCompressor().stream_writer(handle, closefd=False) as packed:
                yield packed
        case Form.PLAIN:
            yield handle
