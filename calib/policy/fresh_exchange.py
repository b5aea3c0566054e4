"""The interface of an exchange that never caches prohibited data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from calib.policy.static import StaticDataCache

FRESH_METHODS = ("get_balances", "get_orders", "get_order", "get_positions")
"""The methods of `FreshExchange` whose every call makes a request."""


@runtime_checkable
class FreshExchange(Protocol):
    """An exchange client for a bot: prohibited data is requested at each call.

    `calib.policy.testkit.prove_fresh` tests an adapter for that.
    """

    async def get_balances(self) -> Any:
        """Return the account's balances; makes a request at each call and raises its error."""
        ...

    async def get_orders(self, symbol: str | None = None) -> Any:
        """Return open orders of one symbol or of all; makes a request at each call and raises its error."""
        ...

    async def get_order(self, order_id: str, symbol: str) -> Any:
        """Return one order with its status; makes a request at each call and raises its error."""
        ...

    async def get_positions(self) -> Any:
        """Return positions; makes a request at each call and raises its error."""
        ...

    def get_orderbook(self, symbol: str) -> Any:
        """Return the book of a live stream, at most 5 s old, or None."""
        ...

    async def get_symbol_info(self, symbol: str) -> Any:
        """Return static data of an instrument, at most 3600 s old."""
        ...


class FreshExchangeClient:
    """A `FreshExchange` built from the bot's own client; it stores no responses.

    Parameters
    ----------
    balances
        ``async () -> balances`` of the bot's client.
    orders
        ``async (symbol or None) -> orders``.
    order
        ``async (order_id, symbol) -> order``.
    positions
        ``async () -> positions``.
    book
        ``(symbol) -> book or None``: `calib.OrderbookManager.get_orderbook`.
    symbol_info
        A cache of type ``symbol_info``, which refuses values past its limit.

    Errors of the client are raised unchanged: a failed request never returns an old response.
    """

    __slots__ = ("_balances", "_book", "_order", "_orders", "_positions", "_symbol_info")

    def __init__(
        self,
        *,
        balances: Callable[[], Awaitable[Any]],
        orders: Callable[[str | None], Awaitable[Any]],
        order: Callable[[str, str], Awaitable[Any]],
        positions: Callable[[], Awaitable[Any]],
        book: Callable[[str], Any],
        symbol_info: StaticDataCache[Any],
    ) -> None:
        self._balances = balances
        self._orders = orders
        self._order = order
        self._positions = positions
        self._book = book
        self._symbol_info = symbol_info

    async def get_balances(self) -> Any:
        """Return balances from a new request."""
        return await self._balances()

    async def get_orders(self, symbol: str | None = None) -> Any:
        """Return open orders from a new request."""
        return await self._orders(symbol)

    async def get_order(self, order_id: str, symbol: str) -> Any:
        """Return one order from a new request."""
        return await self._order(order_id, symbol)

    async def get_positions(self) -> Any:
        """Return positions from a new request."""
        return await self._positions()

    def get_orderbook(self, symbol: str) -> Any:
        """Return the stream's book, or None."""
        return self._book(symbol)

    async def get_symbol_info(self, symbol: str) -> Any:
        """Return static data, at most 3600 s old."""
        return (await self._symbol_info.get(symbol)).value
