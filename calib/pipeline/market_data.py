"""The market as a tick sees it, the same whether it came through the cache or not."""

from __future__ import annotations

from typing import Any

from calib.market import BookView
from calib.market.cache.freshness import Source
from calib.market.cache.snapshot_payload import read_body


class MarketData:
    """Best levels of one symbol; it never changes.

    With the cache off the callback's body is checked and frozen when a level is first looked at, not on each tick: so
    a tick that looks at nothing costs nothing, whatever the depth.

    Parameters
    ----------
    symbol
        The instrument.
    bids, asks
        ``(price, qty)``, the best first.
    update_id
        The venue's id of the book; None where it has none.
    depth
        Levels a side that were asked for.

    >>> market = MarketData("X", ((99.0, 1.0),), ((101.0, 2.0),), 7, 1)
    >>> body = {"bids": [["99", "1"]], "asks": [["101", "2"]], "update_id": 7}
    >>> market.mid, market == MarketData.of_body("X", body, 1)
    (100.0, True)
    """

    __slots__ = ("_held", "depth", "symbol")

    def __init__(
        self,
        symbol: str,
        bids: tuple[tuple[float, float], ...],
        asks: tuple[tuple[float, float], ...],
        update_id: int | None,
        depth: int,
    ) -> None:
        self.symbol = symbol
        self.depth = depth
        self._held: Any = BookView(symbol, bids, asks, update_id, depth)

    @classmethod
    def of(cls, book: BookView) -> MarketData:
        """The market data of a frozen book.

        >>> MarketData.of(BookView("X", ((99.0, 1.0),), ((101.0, 2.0),), 7, 1)).best_ask
        101.0
        """
        made = cls.__new__(cls)
        made.symbol = book.symbol
        made.depth = book.depth
        made._held = book
        return made

    @classmethod
    def of_body(cls, symbol: str, body: Any, depth: int) -> MarketData:
        """The market data of what a callback returned, read when a level is first looked at.

        The body must not be changed by its owner before that. Every attribute but ``symbol`` and ``depth`` raises
        `calib.errors.InvalidSnapshot` or `calib.errors.BadLevel` where the body is not a usable book.
        """
        made = cls.__new__(cls)
        made.symbol = symbol
        made.depth = depth
        made._held = body
        return made

    @property
    def book(self) -> BookView:
        """The same as a frozen book."""
        held = self._held
        if type(held) is BookView and held.depth == self.depth:
            return held
        book, _ = read_body(self.symbol, held, self.depth, Source.REST)
        self._held = book
        return book

    @property
    def bids(self) -> tuple[tuple[float, float], ...]:
        """``(price, qty)``, the highest first."""
        return self.book.bids

    @property
    def asks(self) -> tuple[tuple[float, float], ...]:
        """``(price, qty)``, the lowest first."""
        return self.book.asks

    @property
    def update_id(self) -> int | None:
        """The venue's id of the book."""
        return self.book.update_id

    @property
    def best_bid(self) -> float | None:
        """The highest bid; None where there is none."""
        bids = self.book.bids
        return bids[0][0] if bids else None

    @property
    def best_ask(self) -> float | None:
        """The lowest ask; None where there is none."""
        asks = self.book.asks
        return asks[0][0] if asks else None

    @property
    def mid(self) -> float | None:
        """Half way between the best bid and ask; None while a side is empty."""
        return self.book.mid

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MarketData) and self.book == other.book

    def __hash__(self) -> int:
        return hash(self.book)

    def __repr__(self) -> str:
        return f"MarketData({self.symbol!r}, {self.bids!r}, {self.asks!r}, {self.update_id!r}, {self.depth!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return MarketData.of, (self.book,)
