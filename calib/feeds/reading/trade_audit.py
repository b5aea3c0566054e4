"""Audit recorded trades: duplicate or decreasing ids, gaps in ids, decreasing times. Streaming, in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Protocol

REMEMBERED: Final = 10_000
"""Ids remembered per symbol; a repeat after more trades than these is not detected as a duplicate."""

TROUBLES: Final = ("gaps", "duplicates", "rewinds", "out_of_order")
"""Kinds of problems, in the order in which they are reported."""


class Trade(Protocol):
    """A line of a trades feed."""

    @property
    def ts(self) -> float: ...
    @property
    def symbol(self) -> str: ...
    @property
    def trade_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class TradeFacts:
    """Audit result of one symbol's trades in one file.

    Parameters
    ----------
    symbol
        Symbol of the trades.
    trades, without_id
        Number of lines, and number of those without an id, which cannot be checked for duplicates.
    troubles, first_line
        The `TROUBLES` found, by name: their number, and the line of the first. ``duplicates`` have the id of one of the
        last `REMEMBERED` trades. ``gaps`` are increases of integer ids by more than 1, for symbols whose ids mostly
        increase by 1. ``rewinds`` are integer ids below the one before that are not duplicates. ``out_of_order`` are
        lines with a ``ts`` below the one before.
    missing_ids
        Number of ids in these gaps: trades that were not recorded.
    """

    symbol: str
    trades: int
    without_id: int
    troubles: dict[str, int]
    first_line: dict[str, int]
    missing_ids: int = 0


class TradeAudit:
    """Audits the lines of trades files in order; remembered ids are kept from one file to the next."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._symbols: dict[str, _Symbol] = {}
        self._remembered = remembered

    def see(self, line: int, trade: Trade) -> None:
        """Check the next line."""
        found = self._symbols.get(trade.symbol)
        if found is None:
            found = self._symbols[trade.symbol] = _Symbol(trade.symbol, self._remembered)
        found.see(line, trade)

    def finish_file(self) -> tuple[TradeFacts, ...]:
        """Return the results of the lines since the last call, sorted by symbol."""
        found = [symbol.facts() for _, symbol in sorted(self._symbols.items())]
        return tuple(facts for facts in found if facts.trades)


@dataclass(slots=True)
class _Symbol:
    symbol: str
    remembered: int
    ids: dict[str, None] = field(default_factory=dict)
    last_id: int | None = None
    newest: int | None = None
    last_ts: float | None = None
    trades: int = 0
    without_id: int = 0
    consecutive: int = 0
    missing: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    first_line: dict[str, int] = field(default_factory=dict)

    def see(self, line: int, trade: Trade) -> None:
        self.trades += 1
        if self.last_ts is not None and trade.ts < self.last_ts:
            self._trouble("out_of_order", line)
        self.last_ts = trade.ts
        if trade.trade_id is None:
            self.without_id += 1
        elif trade.trade_id in self.ids:
            self._trouble("duplicates", line)
        else:
            self._new_id(line, trade.trade_id)

    def facts(self) -> TradeFacts:
        if self.consecutive < self.troubles["gaps"]:
            # Ids that a venue shares among symbols or derives from times skip numbers although no trade is missing.
            self.troubles["gaps"] = self.missing = 0
        names = [name for name in TROUBLES if self.troubles[name]]
        found = TradeFacts(
            self.symbol,
            self.trades,
            self.without_id,
            {name: self.troubles[name] for name in names},
            {name: self.first_line[name] for name in names},
            self.missing,
        )
        self.trades = self.without_id = self.consecutive = self.missing = 0
        self.troubles, self.first_line = Counter(), {}
        return found

    def _new_id(self, line: int, trade_id: str) -> None:
        self.ids[trade_id] = None
        if len(self.ids) > self.remembered:
            del self.ids[next(iter(self.ids))]
        # Integer ids of venues have at most 19 digits; a longer text of digits is treated as a name.
        number = int(trade_id) if len(trade_id) <= 19 and trade_id.isascii() and trade_id.isdigit() else None
        if number is not None and self.last_id is not None and number < self.last_id:
            self._trouble("rewinds", line)
        if number is not None:
            self._step(line, number)
        self.last_id = number

    def _step(self, line: int, number: int) -> None:
        """Count the ids between the highest id so far and this one; a late id reduces the number missing."""
        newest, self.newest = self.newest, number if self.newest is None else max(self.newest, number)
        if newest is None:
            return
        if number == newest + 1:
            self.consecutive += 1
        elif number > newest:
            self.missing += number - newest - 1
            self._trouble("gaps", line)
        else:
            self.missing = max(self.missing - 1, 0)

    def _trouble(self, name: str, line: int) -> None:
        self.troubles[name] += 1
        self.first_line.setdefault(name, line)
