"""The symbol formats of exchanges, one row per exchange and market."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

QUOTES: Final = (
    "USDT USDC FDUSD TUSD BUSD DAI USD EUR GBP JPY AUD BRL TRY KRW BTC ETH BNB".split()  # noqa: SIM905  # a list of names
)
"""Known quote assets, to parse symbols without a separator."""


@dataclass(frozen=True, slots=True)
class SymbolFormat:
    """The symbol format of one market of one exchange.

    Parameters
    ----------
    exchange
        Name of the exchange, with ``-`` and the market if it has several.
    market
        ``spot``, ``linear`` (a perpetual swap settled in the quote asset) or ``inverse`` (settled in the base asset).
    separator
        Separator between base and quote asset; may be empty.
    suffix
        Suffix after the quote asset.
    """

    exchange: str
    market: str
    separator: str
    suffix: str = ""

    def spell(self, base: str, quote: str) -> str:
        """Return the exchange's symbol of a pair."""
        return f"{base}{self.separator}{quote}{self.suffix}"

    def read(self, symbol: str) -> list[tuple[str, str]]:
        """Return every pair that the exchange's symbol can mean; without a separator there may be several."""
        if self.suffix and not symbol.endswith(self.suffix):
            return []
        pair = symbol[: len(symbol) - len(self.suffix)]
        if self.separator:
            base, separator, quote = pair.partition(self.separator)
            return [(base, quote)] if base and separator and quote and self.separator not in quote else []
        return [(pair[: -len(quote)], quote) for quote in QUOTES if pair.endswith(quote) and len(pair) > len(quote)]


FORMATS: Final[Mapping[str, SymbolFormat]] = MappingProxyType(
    {
        row.exchange: row
        for row in (
            SymbolFormat("binance", "linear", ""),
            SymbolFormat("binance-spot", "spot", ""),
            SymbolFormat("binance-inverse", "inverse", "", "_PERP"),
            SymbolFormat("bybit", "linear", ""),
            SymbolFormat("bybit-spot", "spot", ""),
            SymbolFormat("okx", "linear", "-", "-SWAP"),
            SymbolFormat("okx-spot", "spot", "-"),
            SymbolFormat("okx-inverse", "inverse", "-", "-SWAP"),
            SymbolFormat("coinbase", "spot", "-"),
            SymbolFormat("gate", "linear", "_"),
            SymbolFormat("gate-spot", "spot", "_"),
            SymbolFormat("deribit", "linear", "_", "-PERPETUAL"),
            SymbolFormat("hummingbot", "spot", "-"),
        )
    }
)
"""The formats by name. The name of an exchange alone means its perpetual swaps settled in the quote asset, if any."""
