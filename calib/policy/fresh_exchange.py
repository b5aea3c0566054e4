"""The interface of an exchange through which no prohibited value is ever kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from calib.policy.static import StaticDataCache

FRESH_METHODS = ("get_balances", "get_orders", "get_order", "get_positions")
"""The methods of `FreshExchange` of which every call is a request."""


@runtime_checkable
class FreshExchange(Protocol):
    """An exchange as a bot may use it: what is prohibited is asked for at each call.

    `calib.policy.testkit.prove_fresh` shows of an adapter whether it keeps to that.
    """

    async def get_balances(self) -> Any:
        """Balances of the account; a request at each call, its error is raised."""
        ...

    async def get_orders(self, symbol: str | None = None) -> Any:
        """Open orders, of one symbol or of all; a request at each call, its error is raised."""
        ...

    async def get_order(self, order_id: str, symbol: str) -> Any:
        """One order with its status; a request at each call, its error is raised."""
        ...

    async def get_positions(self) -> Any:
        """Positions; a request at each call, its error is raised."""
        ...

    def get_orderbook(self, symbol: str) -> Any:
        """The book of a live stream, at most 5 s old; None where there is none."""
        ...

    async def get_symbol_info(self, symbol: str) -> Any:
        """Static data of an instrument, at most 3600 s old."""
        ...


class FreshExchangeClient:
    """A `FreshExchange` made of the bot's own client; it has no place to keep an answer in.

    Parameters
    ----------
    balances
        ``async () -> balances`` of the bot's client; likewise the next three.
    orders
        ``async (symbol or None) -> orders``.
    order
        ``async (order_id, symbol) -> order``.
    positions
        ``async () -> positions``.
    book
        ``(symbol) -> book or None``: `calib.OrderbookManager.get_orderbook`.
    symbol_info
        A cache of type ``symbol_info``, which refuses what is past its limit.

    Errors of the client are raised as they are: an old answer never stands in for a failed request.
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
        """Balances, from a request of this call."""
        return await self._balances()

    async def get_orders(self, symbol: str | None = None) -> Any:
        """Open orders, from a request of this call."""
        return await self._orders(symbol)

    async def get_order(self, order_id: str, symbol: str) -> Any:
        """One order, from a request of this call."""
        return await self._order(order_id, symbol)

    async def get_positions(self) -> Any:
        """Positions, from a request of this call."""
        return await self._positions()

    def get_orderbook(self, symbol: str) -> Any:
        """The stream's book, or None."""
        return self._book(symbol)

    async def get_symbol_info(self, symbol: str) -> Any:
        """Static data, at most 3600 s old."""
        return (await self._symbol_info.get(symbol)).value
