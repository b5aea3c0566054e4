"""Markets whose quantities are contracts, not base units."""

from __future__ import annotations

import re
from typing import Final

_COIN_MARGINED: Final = re.compile(r"[A-Z0-9]+USD_(?:PERP|\d{6})")
"""Binance's COIN-M symbols."""
_VENUES: Final = frozenset(
    {"binance-coinm", "binance-delivery", "bitmex", "deribit", "bybit-inverse", "cryptofacilities"}
)
"""Venues and markets where every quantity is in contracts, as importers and Tardis name them."""


def is_coin_margined(symbol: str) -> bool:
    """Whether it is one of Binance's COIN-M symbols, whose contract is a fixed amount of dollars.

    >>> is_coin_margined("BTCUSD_PERP"), is_coin_margined("ETHUSD_240927"), is_coin_margined("BTCUSDT_240927")
    (True, True, False)
    """
    return _COIN_MARGINED.fullmatch(symbol) is not None


def counts_contracts(symbol: str, market: str) -> bool:
    """Whether quantities of the symbol are contracts, judging by its name and its market."""
    return is_coin_margined(symbol) or market in _VENUES
