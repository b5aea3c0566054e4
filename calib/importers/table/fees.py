"""A fee in an asset as basis points of the notional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from calib.importers.table.arithmetic import as_number
from calib.importers.table.paths import value_at

BPS: Final = 10_000
_SEPARATORS: Final = "/-_:"


def assets_of(symbol: str) -> tuple[str, str] | None:
    """Base and quote asset of a symbol that separates them; None of one that does not.

    >>> assets_of("BTC/USDT:USDT"), assets_of("BTC-USDT-SWAP"), assets_of("BTCUSDT")
    (('BTC', 'USDT'), ('BTC', 'USDT'), None)
    """
    for separator in _SEPARATORS[:-1]:
        parts = symbol.partition(":")[0].split(separator)
        if len(parts) > 1 and all(parts[:2]):
            return parts[0].upper(), parts[1].upper()
    return None


def side_of(asset: str, symbol: str) -> str:
    """``quote`` or ``base``: which asset of the symbol it is; empty where it is neither, or where that is not certain.

    >>> side_of("USDT", "BTCUSDT"), side_of("BTC", "BTC/USDT"), side_of("BNB", "BTCUSDT"), side_of("T", "TUSDT")
    ('quote', 'base', '', '')
    """
    asset, pair = asset.upper(), assets_of(symbol)
    if pair is not None:
        sides = [side for side, name in zip(("base", "quote"), pair, strict=True) if name == asset]
    else:
        whole = symbol.upper()
        sides = ["base"] * whole.startswith(asset) + ["quote"] * whole.endswith(asset)
    return sides[0] if len(sides) == 1 and asset else ""


@dataclass(frozen=True, slots=True)
class Fee:
    """Where the fee of a fill stands.

    Parameters
    ----------
    amount
        Its column.
    asset
        The column of the asset that it was paid in.
    sign
        1 where a positive amount was paid, -1 where a negative one was.
    rates
        Asset -> its price in the quote asset, for fees in neither asset of the symbol.
    unnamed
        ``base`` or ``quote``: what a row pays in that names no asset; empty where that is not known.
    """

    amount: str
    asset: str
    sign: int = 1
    rates: Mapping[str, float] = field(default_factory=dict)
    unnamed: str = ""

    def bps(self, row: Mapping[str, Any], symbol: str, price: float, qty: float) -> float | None:
        """Of the notional; None where the row has no fee, or one in an asset without a rate."""
        amount, asset = value_at(row, self.amount), value_at(row, self.asset)
        if amount is None:
            return None
        paid = self.sign * as_number(amount, self.amount)
        if paid == 0:
            return 0.0
        if asset is not None and not isinstance(asset, str):
            return None
        side = self.unnamed if asset is None else side_of(asset, symbol)
        unit = {"quote": 1.0, "base": price}.get(side, self.rates.get((asset or "").upper()))
        return None if unit is None else round(paid * unit / (price * qty) * BPS, 9)
