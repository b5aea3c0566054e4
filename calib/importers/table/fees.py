"""Convert a fee in an asset into basis points of the notional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from calib.importers.table.arithmetic import as_number
from calib.importers.table.paths import value_at

BPS: Final = 10_000
_SEPARATORS: Final = "/-_:"


def assets_of(symbol: str) -> tuple[str, str] | None:
    """Return base and quote asset of a symbol with a separator; None for a symbol without one.

    >>> assets_of("BTC/USDT:USDT"), assets_of("BTC-USDT-SWAP"), assets_of("BTCUSDT")
    (('BTC', 'USDT'), ('BTC', 'USDT'), None)
    """
    for separator in _SEPARATORS[:-1]:
        parts = symbol.partition(":")[0].split(separator)
        if len(parts) > 1 and all(parts[:2]):
            return parts[0].upper(), parts[1].upper()
    return None


def side_of(asset: str, symbol: str) -> str:
    """Return ``quote`` or ``base``, whichever asset of the symbol it is; empty if it is neither or ambiguous.

    >>> side_of("USDT", "BTCUSDT"), side_of("BTC", "BTC/USDT"), side_of("BNB", "BTCUSDT"), side_of("T", "TUSDT")
    ('quote', 'base', '', '')
    """
    asset, pair = asset.upper(), assets_of(symbol)
    if pair is not None:
        sides = [side for side, name in zip(("base", "quote"), pair, strict=True) if name == asset]
    else:
        name = symbol.upper()
        sides = ["base"] * name.startswith(asset) + ["quote"] * name.endswith(asset)
    return sides[0] if len(sides) == 1 and asset else ""


@dataclass(frozen=True, slots=True)
class Fee:
    """The columns of a fill's fee, and how to convert it.

    Parameters
    ----------
    amount
        Column of the amount.
    asset
        Column of the asset in which it was paid.
    sign
        1 if a positive amount is a fee paid, -1 if a negative one is.
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
        """Return the fee, bps of the notional; None if the row has no fee, or if its asset has no rate."""
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
