"""The best levels of a recorded book over time, recorded without numpy."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from calib.recorded.sequence_detection import numbering_of, rule_for
from calib.recorded.true_book import TrueBook

if TYPE_CHECKING:
    from calib.recorded.tops import Tops

SESSION_S: Final = 60.0
"""A silence of a symbol's lines longer than this starts a new session."""
STEP_S: Final = 1.0
"""A level not observed for longer gets a new row: its age must not be reduced by a later observation."""
_MAX_WAITING: Final = 16
"""Snapshots kept until a delta shows the id scheme; older ones are outdated by then."""


class TopRows(NamedTuple):
    """What `calib.recorded.tops.Tops` is made of.

    Parameters
    ----------
    columns
        ts, ts_exchange, seen, seen_exchange, bid, ask, bid_qty, ask_qty.
    breaks
        Times at which the book became unknown, by receive time and by the venue's.
    lags
        ts - ts_exchange of the lines with both, s.
    lines, exchange_lines, crossed
        Numbers of lines: all, with ``ts_exchange``, and after which the book was crossed.
    """

    columns: tuple[array[float], ...]
    breaks: tuple[array[float], array[float]]
    lags: array[float]
    lines: int
    exchange_lines: int
    crossed: int

    @property
    def exchange_share(self) -> float:
        """Fraction of the lines with the venue's time."""
        return self.exchange_lines / self.lines if self.lines else 0.0


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

    def rows(self) -> TopRows:
        """Return the recorded levels."""
        columns, breaks = tuple(self._columns), self._breaks
        return TopRows(columns, breaks, self._lags, self._lines, self._exchange_lines, self._crossed)

    def finish(self) -> Tops:
        """Return the recorded levels as arrays of numpy."""
        from calib.recorded.tops import Tops  # here, because numpy takes longer to import than most books to read

        return Tops.of(self.rows())

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
