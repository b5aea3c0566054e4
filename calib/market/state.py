"""Everything the cache keeps of one symbol, under one bound."""

from __future__ import annotations

from calib.market.backoff import Backoff
from calib.market.ledger import SymbolLedger
from calib.market.refresh import Refresh


class SymbolState:
    """One symbol: its refresh, its pauses and its counts. The cached book itself stands in the cache's own map."""

    __slots__ = ("backoff", "ledger", "refresh", "symbol")

    def __init__(self, symbol: str, refresh: Refresh, backoff: Backoff) -> None:
        self.symbol = symbol
        self.refresh = refresh
        self.backoff = backoff
        self.ledger = SymbolLedger()
