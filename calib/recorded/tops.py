"""The best levels of a recorded book over time, on both clocks."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from calib.recorded.arrays import Floats
from calib.recorded.mids import Mids
from calib.recorded.sequence_detection import numbering_of, rule_for
from calib.recorded.true_book import TrueBook

SESSION_S: Final = 60.0
"""A silence of a symbol's lines longer than this starts a new session."""
STEP_S: Final = 1.0
"""A level not observed for longer gets a new row: its age must not be reduced by a later observation."""
_MAX_WAITING: Final = 16
"""Snapshots kept until a delta shows the id scheme; older ones are outdated by then."""


@dataclass(frozen=True, slots=True)
class Tops:
    """The best levels of one symbol, one row per change.

    Parameters
    ----------
    ts, ts_exchange
        Start of the row by receive time and venue time, s; NaN if a line does not have it.
    seen, seen_exchange
        Time of the last message before the levels changed.
    bid, ask, bid_qty, ask_qty
        The levels.
    breaks, breaks_exchange
        Times at which the book became unknown because of a sequence gap.
    lines, exchange_lines
        Number of lines, and of those with ``ts_exchange``.
    lag_s
        Median of ts - ts_exchange over lines with both; None if there are none.
    crossed
        Number of lines after which the book was crossed; their mids are skipped.
    """

    ts: Floats
    ts_exchange: Floats
    seen: Floats
    seen_exchange: Floats
    bid: Floats
    ask: Floats
    bid_qty: Floats
    ask_qty: Floats
    breaks: Floats
    breaks_exchange: Floats
    lines: int
    exchange_lines: int
    lag_s: float | None
    crossed: int

    @property
    def exchange_share(self) -> float:
        """Fraction of the lines with the venue's time."""
        return self.exchange_lines / self.lines if self.lines else 0.0

    def mids(self, clock: str, max_age_s: float) -> Mids:
        """The distinct mids on the clock ``receive`` or ``exchange``; one not observed for ``max_age_s`` ends."""
        times, seen, breaks = self._times(clock)
        mid = (self.bid + self.ask) / 2
        doubled = np.ravel(np.column_stack([times, np.maximum(seen, times)]))
        values = np.repeat(mid, 2)
        known = np.isfinite(doubled)
        # Receive times may go back a little; the order of the lines is the venue's.
        rising = np.maximum.accumulate(doubled[known])
        return Mids.of(rising, values[known], breaks[np.isfinite(breaks)], max_step_s=max_age_s)

    def at(self, moments: Floats, clock: str) -> tuple[Floats, Floats, Floats, Floats]:
        """bid, ask, bid_qty, ask_qty at or before each time; NaN before the first."""
        times = np.maximum.accumulate(np.where(np.isfinite(self._times(clock)[0]), self._times(clock)[0], -np.inf))
        place = np.searchsorted(times, moments, side="right") - 1
        held = np.maximum(place, 0)
        columns = (self.bid, self.ask, self.bid_qty, self.ask_qty)
        if not len(self.ts):
            nothing = np.full(len(moments), np.nan)
            return nothing, nothing, nothing, nothing
        first, second, third, fourth = (np.where(place >= 0, column[held], np.nan) for column in columns)
        return first, second, third, fourth

    def _times(self, clock: str) -> tuple[Floats, Floats, Floats]:
        if clock == "exchange":
            return self.ts_exchange, self.seen_exchange, self.breaks_exchange
        return self.ts, self.seen, self.breaks


class TopRecorder:
    """Builds the `Tops` of one symbol from its book lines in order."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._book: TrueBook | None = None
        self._rule = ""
        self._last_ts: float | None = None
        self._waiting: list[Any] = []
        self._columns = [array("d") for _ in range(8)]
        self._breaks = array("d"), array("d")
        self._lags = array("d")
        self._lines = self._exchange_lines = self._crossed = 0
        self._top: tuple[float, float, float, float] | None = None

    def add(self, record: Any) -> None:
        """Process the next line."""
        self._lines += 1
        if record.ts_exchange is not None:
            self._exchange_lines += 1
            self._lags.append(record.ts - record.ts_exchange)
        if self._last_ts is not None and record.ts - self._last_ts > SESSION_S:
            self._new_session(record)
        self._last_ts = record.ts
        if self._book is None and record.type == "snapshot":
            # Without deltas every snapshot is the whole book.
            self._waiting = [*self._waiting[-_MAX_WAITING:], record]
            self._note(record, _best(record.bids, max), _best(record.asks, min))
            return
        if self._book is None:
            self._start(rule_for([numbering_of(record)]))
        self._apply(record)

    def finish(self) -> Tops:
        """Return the recorded levels."""
        columns: list[Any] = [np.array(column, float) for column in (*self._columns, *self._breaks)]
        lag = float(np.median(np.array(self._lags, float))) if len(self._lags) else None
        counts: tuple[Any, ...] = (self._lines, self._exchange_lines, lag, self._crossed)
        return Tops(*columns, *counts)

    def _start(self, rule: str) -> None:
        self._rule = rule
        self._book = TrueBook(self._symbol, rule)
        self._top = None
        for column in (*self._columns, *self._breaks):
            del column[:]
        for record in self._waiting:
            self._apply(record)
        self._waiting = []

    def _apply(self, record: Any) -> None:
        assert self._book is not None
        self._book.apply(record, round(record.ts * 1e9))
        book = self._book.book
        if book is None:
            self._break(record)
            return
        self._note(record, book.best_bid, book.best_ask)

    def _new_session(self, record: Any) -> None:
        """The recording restarted: the time between is unknown, and ids may start over."""
        self._break(record)
        if self._book is not None:
            self._book = TrueBook(self._symbol, self._rule)

    def _note(self, record: Any, bid: Any, ask: Any) -> None:
        if bid is None or ask is None:
            self._break(record)
            return
        if bid[0] > ask[0]:
            self._crossed += 1
            return
        exchange = float("nan") if record.ts_exchange is None else record.ts_exchange
        top = (bid[0], ask[0], bid[1], ask[1])
        seen, seen_exchange = self._columns[2], self._columns[3]
        if top == self._top and record.ts - seen[-1] <= STEP_S:
            seen[-1], seen_exchange[-1] = record.ts, exchange
            return
        self._top = top
        row = (record.ts, exchange, record.ts, exchange, *top)
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)

    def _break(self, record: Any) -> None:
        if self._top is not None:
            self._top = None
            self._breaks[0].append(record.ts)
            self._breaks[1].append(float("nan") if record.ts_exchange is None else record.ts_exchange)


def _best(levels: Iterable[Any], choose: Any) -> Any:
    some = [level for level in levels if level[1] > 0]
    return choose(some, key=lambda level: level[0]) if some else None


def record_tops(records: Iterable[Any]) -> Iterator[tuple[str, Tops]]:
    """Build the tops of every symbol in the lines, sorted by name."""
    recorders: dict[str, TopRecorder] = {}
    for record in records:
        recorder = recorders.get(record.symbol)
        if recorder is None:
            recorder = recorders[record.symbol] = TopRecorder(record.symbol)
        recorder.add(record)
    for symbol in sorted(recorders):
        yield symbol, recorders[symbol].finish()
