"""Mids joined to fills that lack them, from the recorded book, else from the ticks."""

from __future__ import annotations

import gzip
import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import zstandard

from calib.feeds.reading.batches import read_records
from calib.feeds.reading.compression import StoredFile, contents
from calib.feeds.reading.days import DayFile, Form, find_days, newest_days
from calib.feeds.schema.table import FEEDS
from calib.feeds.schema.validation import judge_record
from calib.files import write_atomic
from calib.recorded.mids import Mids
from calib.recorded.tops import TopRecorder, Tops

MAX_AGE_S: Final = 5.0
"""A mid that was last seen longer ago is not used."""
_VENUE_CLOCK: Final = 0.99
"""Share of a book's lines with the venue's time from which that clock is used."""
_MID, _QUOTED, _SPREAD = "mid_now", "mid_at_quote", "spread_at_quote_bps"
FIELDS: Final = (_QUOTED, _MID, _SPREAD)
"""What is joined."""


@dataclass(slots=True)
class Enriched:
    """What came of it.

    Parameters
    ----------
    fills
        All of them.
    joined
        Field -> fills that have it now and had not.
    had, unknown
        Field -> fills that had it before, and that still have not.
    sources
        ``book`` or ``ticks`` -> fills whose mid came from there.
    no_quote_time
        Fills without ``ts_quote``: when they were quoted is not known, so nothing is joined for that moment.
    """

    fills: int = 0
    joined: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    had: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    unknown: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    sources: dict[str, int] = field(default_factory=lambda: {"book": 0, "ticks": 0})
    no_quote_time: int = 0
    written: list[tuple[Path, bool]] = field(default_factory=list)


def enrich(feeds: Path) -> Enriched:
    """Join the mids of a feed directory to its fills; the caller holds the directory's lock.

    A fill gets ``mid_now``, the mid strictly before it. On the venue's clock where the fill and the book have it, else
    on the clock of receipt. A fill with ``ts_quote`` also gets the mid and the spread before that moment, on the clock
    of receipt. Nothing is joined over a gap of the book, past its end, or from more than `MAX_AGE_S` before. What a
    fill has is never changed.

    Raises
    ------
    NoFeeds
        Where there are no fills.
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


def fills_of(feeds: Path) -> Iterator[dict[str, Any]]:
    """The fills of a directory as they were logged, one that was logged twice as well.

    Raises
    ------
    NoFeeds
        Where there are none.
    """
    schema = FEEDS["fills"]
    for day in find_days(feeds, ("fills",)):
        yield from (fill for _, fill in _lines(day) if fill is not None and judge_record(schema, fill) is None)


@dataclass(slots=True)
class _Known:
    """What is known of one symbol."""

    tops: Tops | None = None
    ticks: Mids | None = None
    clocks: dict[str, Mids] = field(default_factory=dict)

    def mids(self, clock: str) -> Mids | None:
        """The book's mids on a clock."""
        if self.tops is None or not len(self.tops.ts):
            return None
        if clock not in self.clocks:
            self.clocks[clock] = self.tops.mids(clock, MAX_AGE_S)
        return self.clocks[clock]

    def mid(self, ts: float, ts_exchange: float | None) -> tuple[float, str]:
        """The mid strictly before a moment and where it is from; NaN where it is not known."""
        venue = ts_exchange is not None and self.tops is not None and self.tops.exchange_share >= _VENUE_CLOCK
        book = self.mids("exchange" if venue else "receive")
        moment = float(ts_exchange) if venue and ts_exchange is not None else ts
        mid = _at(book, moment)
        if math.isnan(mid) and (book is None or not len(book)):
            return _at(self.ticks, ts), "ticks"
        return mid, "book"

    def quoted(self, ts_quote: float) -> tuple[float, float]:
        """Mid and spread, bps, strictly before a quote was sent; the spread only of a book."""
        book = self.mids("receive")
        if book is None or self.tops is None:
            return _at(self.ticks, ts_quote), math.nan
        mid = _at(book, ts_quote)
        bid, ask, _, _ = self.tops.at(np.array([math.nextafter(ts_quote, -math.inf)]), "receive")
        return mid, float((ask[0] - bid[0]) / mid * 1e4)


def _at(mids: Mids | None, moment: float) -> float:
    return math.nan if mids is None else float(mids.at(np.array([moment]), MAX_AGE_S, before=True)[0])


def _known(files: Sequence[DayFile], newest: Container[DayFile], wanted: set[str]) -> dict[str, _Known]:
    known = {symbol: _Known() for symbol in wanted}
    recorders = {symbol: TopRecorder(symbol) for symbol in wanted}
    for record in _records(files, "book", newest):
        if record.symbol in recorders:
            recorders[record.symbol].add(record)
    ticks: dict[str, list[tuple[float, float]]] = {}
    for record in _records(files, "pipeline_ticks", newest):
        if record.symbol in known and record.mid is not None:
            ticks.setdefault(record.symbol, []).append((record.ts, record.mid))
    for symbol, one in known.items():
        one.tops = recorders[symbol].finish()
        if symbol in ticks:
            times, values = zip(*sorted(ticks[symbol], key=lambda pair: pair[0]), strict=True)
            one.ticks = Mids.of(np.array(times), np.array(values), max_step_s=MAX_AGE_S, source="ticks")
    return known


def _records(files: Sequence[DayFile], kind: str, newest: Container[DayFile]) -> Iterator[Any]:
    for file in files:
        if file.kind == kind:
            yield from (record for _, record in read_records(file, newest=file in newest))


def _lines(day: DayFile) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """Each line as it is, and its fill; None of one that is not a fill."""
    with StoredFile(day.path) as stored:
        content = b"".join(contents(stored, day.form))
    for line in content.splitlines(keepends=True):
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


def _rewrite(day: DayFile, known: dict[str, _Known], found: Enriched) -> bool:
    """Write the day again where a fill of it gained something; other lines stay as they are."""
    lines, changed = [], False
    for line, fill in _lines(day):
        gained = fill is not None and _join(fill, known.get(fill["symbol"]) or _Known(), found)
        changed |= gained
        lines.append(orjson.dumps(fill) + b"\n" if gained else line)
    return write_atomic(day.local, _packed(b"".join(lines), day.form)) if changed else False


def _join(fill: dict[str, Any], known: _Known, found: Enriched) -> bool:
    """Fill in what one fill lacks; whether it gained something."""
    found.fills += 1
    had = {name for name in FIELDS if fill.get(name) is not None}
    values: dict[str, float] = {}
    if _MID not in had:
        exchange = fill.get("ts_exchange")
        values[_MID], source = known.mid(fill["ts"], exchange if _is_time(exchange) else None)
        found.sources[source] += not math.isnan(values[_MID])
    if _is_time(fill.get("ts_quote")):
        values[_QUOTED], values[_SPREAD] = known.quoted(fill["ts_quote"])
    elif not {_QUOTED, _SPREAD} <= had:
        found.no_quote_time += 1
    gained = {name: value for name, value in values.items() if name not in had and math.isfinite(value)}
    fill.update(gained)
    for name in FIELDS:
        counts = found.had if name in had else found.joined if name in gained else found.unknown
        counts[name] += 1
    return bool(gained)


def _packed(content: bytes, form: Form) -> bytes:
    match form:
        case Form.GZIP:
            return gzip.compress(content, mtime=0)
        case Form.ZSTD:
            return zstandard.compress(content)
        case Form.PLAIN:
            return content
