"""The choice of ticks that are written as lines, and the quotes of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from calib.errors import BadRecord
from calib.feeds.schema.table import PIPELINE_TICKS
from calib.feeds.writers.encoding import not_a_mapping


@dataclass(slots=True)
class _State:
    ticks: int = 0
    pending: int = 0
    """Quotes sent and not yet included in a line."""
    counted: bool = False
    """Whether any tick of the symbol had `n_quotes`."""

    def count(self, quotes: int | None) -> None:
        self.ticks += 1
        self.counted = self.counted or quotes is not None
        if self.counted:
            self.pending += 1 if quotes is None else quotes


class Sampler:
    """Selects every ``rate``-th tick of each symbol, starting with its first, and counts the quotes in between.

    A reader interprets ``n_quotes x sample_rate`` of a line as quotes sent. If a line contained only the quotes of its
    own tick, a bot that quotes on every tenth tick would seem to quote on all of them or on none, depending on the
    phase. Therefore a line contains ``pending // rate``, where ``pending`` is the number of quotes that no line
    includes yet, and the remainder stays pending. The sum over the lines is less than the exact number by at most
    ``rate - 1``.

    If no tick of a symbol has `n_quotes`, none is written, and a reader counts one quote per tick. After the first tick
    with `n_quotes`, a tick without it counts as one quote, as it does for the reader.

    >>> sampler, lines = Sampler(3), []
    >>> def write(line):
    ...     lines.append(line["n_quotes"])
    ...     return True
    >>> for quotes in (2, 0, 3, 1, 0, 0, 1):
    ...     kept = sampler.offer({"symbol": "X", "n_quotes": quotes}, write)
    >>> lines  # 2 pending; 2 + 0 + 3 + 1 = 6 pending, written; 0 + 0 + 1 pending
    [0, 2, 0]
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._states: dict[str, _State] = {}
        self._lock = threading.RLock()
        self.sampled_out = 0

    def offer(self, record: Mapping[str, Any], write: Callable[[Mapping[str, Any]], bool]) -> bool:
        """Count one tick and pass its line to ``write`` if it is sampled; return False if it is not.

        Raises
        ------
        BadRecord
            As raised by ``write``, and if `symbol` or `n_quotes` are invalid. Then the tick is not counted.
        """
        if type(record) is not dict and not isinstance(record, Mapping):
            raise not_a_mapping(PIPELINE_TICKS, record)
        symbol, quotes = record.get("symbol"), record.get("n_quotes")
        if quotes is not None and (type(quotes) is not int or quotes < 0):
            raise _bad_record("n_quotes", f"must be a whole number >= 0, but is {quotes!r}")
        with self._lock:
            state = self._states.get(symbol) if isinstance(symbol, str) else None
            if state is None:
                state = _State()
                taken = self._write_line(state, record, quotes, write)
                self._states[str(symbol)] = state  # only now: a rejected symbol is not counted
                return taken
            if state.ticks % self._rate == 0:
                return self._write_line(state, record, quotes, write)
            state.count(quotes)
            self.sampled_out += 1
            return False

    def _write_line(
        self, state: _State, record: Mapping[str, Any], quotes: int | None, write: Callable[[Mapping[str, Any]], bool]
    ) -> bool:
        rate = self._rate
        if record.get("sample_rate", rate) != rate:
            raise _bad_record("sample_rate", f"the logger uses {rate}, but the record has {record['sample_rate']!r}")
        line = {**record, "sample_rate": rate}
        counted = state.counted or quotes is not None
        n_quotes = 0
        if counted:
            n_quotes = (state.pending + (1 if quotes is None else quotes)) // rate
            line["n_quotes"] = n_quotes
        taken = write(line)
        state.count(quotes)
        if taken:  # the quotes of a dropped line stay pending
            state.pending -= n_quotes * rate
        return taken


def _bad_record(field: str, what: str) -> BadRecord:
    return BadRecord(what, where=f"{PIPELINE_TICKS.kind}, {field}", hint="The record was not written")
