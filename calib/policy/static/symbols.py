"""Conversion between the bot's symbols and each exchange's symbols."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from calib.clock import Clock
from calib.errors import SymbolError
from calib.policy.protocols import CachePolicy
from calib.policy.static.cache import StaticDataCache
from calib.policy.static.formats import FORMATS, SymbolFormat

_SYMBOL: Final = re.compile(r"(?P<base>[A-Z0-9]{1,24})/(?P<quote>[A-Z0-9]{1,24})(:(?P<settle>[A-Z0-9]{1,24}))?")
_EXAMPLES: Final = "Examples: BTC/USDT, BTC/USDT:USDT"


class SymbolMapper:
    """Converts ``BTC/USDT`` to ``BTCUSDT`` (Binance) or ``BTC-USDT-SWAP`` (OKX), and back.

    If an exchange's symbol table is given (`put`, or ``fetch`` with `refresh`), only that table is used: it is static
    data of type ``symbol_info``, at most 3600 s old, and refused after that. For any other exchange the formats of
    `calib.policy.static.formats` are used, which do not expire. Without a separator they refuse an ambiguous symbol
    (``XTUSD``: X/TUSD or XT/USD); a table resolves it.

    Parameters
    ----------
    fetch
        ``async (exchange) -> {symbol: exchange symbol}``; None if tables come from `put` or are not needed.
    clock, policy
        See `StaticDataCache`.

    >>> mapper = SymbolMapper()
    >>> mapper.get_exchange_symbol("BTC/USDT", "binance"), mapper.get_exchange_symbol("BTC/USDT", "okx")
    ('BTCUSDT', 'BTC-USDT-SWAP')
    >>> mapper.get_symbol("BTCUSDT", "binance"), mapper.get_symbol("BTC-USDT-SWAP", "okx")
    ('BTC/USDT', 'BTC/USDT')
    >>> mapper.get_exchange_symbol("BTC/USDT", "okx-spot")
    'BTC-USDT'
    """

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[Mapping[str, str]]] | None = None,
        *,
        clock: Clock | None = None,
        policy: CachePolicy | None = None,
    ) -> None:
        self._fetch = fetch
        self._tabled: set[str] = set()
        self._tables: StaticDataCache[_Table] = StaticDataCache(
            "symbol_info", self._load, owner="SymbolMapper", clock=clock, policy=policy
        )

    def get_exchange_symbol(self, symbol: str, exchange: str) -> str:
        """Return the exchange's symbol.

        Parameters
        ----------
        symbol
            ``BASE/QUOTE``, or ``BASE/QUOTE:SETTLE`` for a swap.
        exchange
            A name of `FORMATS`, or an exchange with a table.

        Raises
        ------
        calib.errors.SymbolError
            If the symbol or the exchange is unknown.
        calib.errors.StaticDataUnavailable
            If the exchange's table is older than 3600 s.
        """
        table = self._table(exchange)
        if table is not None:
            return _found(table.spelled, symbol, exchange)
        match = _SYMBOL.fullmatch(symbol)
        if match is None:
            raise SymbolError(f"{symbol!r} is not a valid symbol", hint=_EXAMPLES)
        base, quote, settle = match["base"], match["quote"], match["settle"]
        row = _format(exchange)
        expected = {"spot": None, "linear": quote, "inverse": base}[row.market]
        if settle is not None and settle != expected:
            raise SymbolError(
                f"{symbol!r} is settled in {settle}, but {row.exchange} is a {row.market} market",
                hint=f"Give another market: {', '.join(FORMATS)}",
            )
        return row.spell(base, quote)

    def get_symbol(self, exchange_symbol: str, exchange: str) -> str:
        """Return the symbol ``BASE/QUOTE`` of an exchange's symbol; errors as in `get_exchange_symbol`."""
        table = self._table(exchange)
        if table is not None:
            return _found(table.read, exchange_symbol, exchange)
        row = _format(exchange)
        pairs = row.read(exchange_symbol)
        if len(pairs) != 1:
            what = " or ".join(f"{base}/{quote}" for base, quote in pairs)
            raise SymbolError(
                f"{exchange_symbol!r} is ambiguous: {what}"
                if pairs
                else f"{exchange_symbol!r} is not a symbol of {exchange}",
                hint=f"{row.exchange} writes BTC/USDT as {row.spell('BTC', 'USDT')}; give its table with put()",
            )
        base, quote = pairs[0]
        return f"{base}/{quote}"

    def put(self, exchange: str, symbols: Mapping[str, str]) -> None:
        """Store the table of an exchange that was fetched just now: symbol -> exchange symbol."""
        self._tables.put(exchange, _Table(symbols))
        self._tabled.add(exchange)

    async def refresh(self, exchange: str) -> None:
        """Fetch the table of an exchange if needed; afterwards it is refreshed in the background.

        Raises
        ------
        calib.errors.StaticDataUnavailable
            If it cannot be fetched.
        """
        self._tabled.add(exchange)
        await self._tables.get(exchange)

    async def close(self) -> None:
        """Stop refreshes."""
        await self._tables.close()

    async def _load(self, exchange: str) -> _Table:
        if self._fetch is None:
            raise LookupError("the mapper has no fetch function")
        return _Table(await self._fetch(exchange))

    def _table(self, exchange: str) -> _Table | None:
        if exchange not in self._tabled:
            return None
        cached = self._tables.peek(exchange)
        if cached is None:
            raise self._tables.unavailable(exchange)
        return cached.value


class _Table:
    """The symbols of one exchange, in both directions."""

    __slots__ = ("read", "spelled")

    def __init__(self, symbols: Mapping[str, str]) -> None:
        self.spelled = dict(symbols)
        self.read = {exchange_symbol: symbol for symbol, exchange_symbol in symbols.items()}
        if len(self.read) != len(self.spelled):
            raise SymbolError(
                "two symbols have the same exchange symbol", hint="Give the table of one market of the exchange"
            )


def _found(table: Mapping[str, str], name: str, exchange: str) -> str:
    try:
        return table[name]
    except KeyError:
        raise SymbolError(
            f"{name!r} is not in the table of {exchange}", hint="Check the name, or fetch the table again"
        ) from None


def _format(exchange: str) -> SymbolFormat:
    try:
        return FORMATS[exchange]
    except KeyError:
        raise SymbolError(
            f"unknown exchange {exchange!r}", hint=f"Give its table with put(); known: {', '.join(FORMATS)}"
        ) from None
