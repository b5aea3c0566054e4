"""The audit of recorded trades: ids that come twice or go back, and time that does. Streaming, in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Protocol

REMEMBERED: Final = 10_000
"""Ids remembered per symbol; a trade that comes again after more trades than these is not known for a duplicate."""

TROUBLES: Final = ("gaps", "duplicates", "rewinds", "out_of_order")
"""What may be wrong, in the order in which it is told."""


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
    """What one file holds of one symbol's trades.

    Parameters
    ----------
    symbol
        The market.
    trades, without_id
        Lines, and those among them that cannot be checked for duplicates.
    troubles, first_line
        By name, those of `TROUBLES` that were found: how many, and the line of the first. ``duplicates`` have the id of
        one of the last `REMEMBERED` trades; ``gaps`` are steps of whole-numbered ids by more than one, of symbols whose
        ids mostly follow each other without a hole; ``rewinds`` a whole number for an id that is below the one before,
        and is not a duplicate; ``out_of_order`` a ``ts`` below the one before.
    missing_ids
        The ids in these gaps: trades that were not recorded.
    """

    symbol: str
    trades: int
    without_id: int
    troubles: dict[str, int]
    first_line: dict[str, int]
    missing_ids: int = 0


class TradeAudit:
    """Judges the lines of trades files in order; what is remembered at a file's end goes on in the next."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._symbols: dict[str, _Symbol] = {}
        self._remembered = remembered

    def see(self, line: int, trade: Trade) -> None:
        """The next line."""
        found = self._symbols.get(trade.symbol)
        if found is None:
            found = self._symbols[trade.symbol] = _Symbol(trade.symbol, self._remembered)
        found.see(line, trade)

    def finish_file(self) -> tuple[TradeFacts, ...]:
        """The facts of the lines since the last call, by symbol."""
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
    follow: int = 0
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
        if self.follow < self.troubles["gaps"]:
            # Ids that a venue shares among its symbols, or makes of times, leave holes without anything missing.
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
        self.trades = self.without_id = self.follow = self.missing = 0
        self.troubles, self.first_line = Counter(), {}
        return found

    def _new_id(self, line: int, trade_id: str) -> None:
        self.ids[trade_id] = None
        if len(self.ids) > self.remembered:
            del self.ids[next(iter(self.ids))]
        # Venues' whole numbers have at most 19 digits; a longer text of digits is a name.
        number = int(trade_id) if len(trade_id) <= 19 and trade_id.isascii() and trade_id.isdigit() else None
        if number is not None and self.last_id is not None and number < self.last_id:
            self._trouble("rewinds", line)
        if number is not None:
            self._step(line, number)
        self.last_id = number

    def _step(self, line: int, number: int) -> None:
        """Count what lies between the highest id so far and this one; a late id fills a hole."""
        newest, self.newest = self.newest, number if self.newest is None else max(self.newest, number)
        if newest is None:
            return
        if number == newest + 1:
            self.follow += 1
        elif number > newest:
            self.missing += number - newest - 1
            self._trouble("gaps", line)
        else:
            self.missing = max(self.missing - 1, 0)

    def _trouble(self, name: str, line: int) -> None:
        self.troubles[name] += 1
        self.first_line.setdefault(name, line)
