"""Which ticks get a line, and what that line says of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from calib.errors import BadRecord
from calib.feeds.schema.table import PIPELINE_TICKS
from calib.feeds.writers.encoding import no_mapping


@dataclass(slots=True)
class _State:
    ticks: int = 0
    owed: int = 0
    """Quotes sent and not yet said by a line."""
    counted: bool = False
    """Whether any tick of the symbol gave its `n_quotes`."""

    def count(self, quotes: int | None) -> None:
        self.ticks += 1
        self.counted = self.counted or quotes is not None
        if self.counted:
            self.owed += 1 if quotes is None else quotes


class Sampler:
    """Every ``rate``-th tick of each symbol, beginning with its first, and the quotes of those in between.

    A reader takes ``n_quotes x sample_rate`` of a line as quotes sent. If a line gave its own tick's quotes, a bot that
    quotes on every tenth tick would seem to quote on all of them or on none, depending on the phase. So a line gives
    ``owed // rate``, where ``owed`` are the quotes of all ticks up to now that no line has said yet, and the remainder
    stays owed: the sum over the lines is the true number at each line, less at most ``rate - 1``.

    Where no tick of a symbol gives `n_quotes`, none is written (a reader then counts one quote per tick). Once one
    has, a tick without counts as one quote, as it would for the reader.

    >>> sampler, lines = Sampler(3), []
    >>> def write(line):
    ...     lines.append(line["n_quotes"])
    ...     return True
    >>> for quotes in (2, 0, 3, 1, 0, 0, 1):
    ...     kept = sampler.offer({"symbol": "X", "n_quotes": quotes}, write)
    >>> lines  # 2 owed; 2 + 0 + 3 + 1 = 6 owed, said; 0 + 0 + 1 owed
    [0, 2, 0]
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._states: dict[str, _State] = {}
        self._lock = threading.RLock()
        self.sampled_out = 0

    def offer(self, record: Mapping[str, Any], write: Callable[[Mapping[str, Any]], bool]) -> bool:
        """Count one tick and give its line to ``write`` where it is sampled; False where it is not.

        Raises
        ------
        BadRecord
            Whatever ``write`` raises, and where `symbol` or `n_quotes` cannot be counted. Then the tick is not.
        """
        if type(record) is not dict and not isinstance(record, Mapping):
            raise no_mapping(PIPELINE_TICKS, record)
        symbol, quotes = record.get("symbol"), record.get("n_quotes")
        if quotes is not None and (type(quotes) is not int or quotes < 0):
            raise _refused("n_quotes", f"must be a whole number >= 0, but is {quotes!r}")
        with self._lock:
            state = self._states.get(symbol) if isinstance(symbol, str) else None
            if state is None:
                state = _State()
                taken = self._write_line(state, record, quotes, write)
                self._states[str(symbol)] = state  # only now: a refused symbol is none
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
            raise _refused("sample_rate", f"is the logger's own, {rate}, but the record says {record['sample_rate']!r}")
        line = {**record, "sample_rate": rate}
        counted = state.counted or quotes is not None
        said = 0
        if counted:
            said = (state.owed + (1 if quotes is None else quotes)) // rate
            line["n_quotes"] = said
        taken = write(line)
        state.count(quotes)
        if taken:  # a line that was dropped said nothing: its quotes stay owed
            state.owed -= said * rate
        return taken


def _refused(field: str, what: str) -> BadRecord:
    return BadRecord(what, where=f"{PIPELINE_TICKS.kind}, {field}", hint="The record was not written")
