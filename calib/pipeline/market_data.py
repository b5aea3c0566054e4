"""Market data as a tick reads it, whether it came from the cache or not."""

from __future__ import annotations

from typing import Any

from calib.market import BookView
from calib.market.cache.freshness import Source
from calib.market.cache.snapshot_payload import read_body


class MarketData:
    """The best levels of one symbol; immutable.

    With the cache off, the callback's body is checked and frozen on first access, not on every tick: a tick that reads
    no level costs nothing, whatever the depth.

    Parameters
    ----------
    symbol
        The instrument.
    bids, asks
        ``(price, qty)``, best first.
    update_id
        The venue's id of the book; None if it has none.
    depth
        Requested levels per side.

    >>> market = MarketData("X", ((99.0, 1.0),), ((101.0, 2.0),), 7, 1)
    >>> body = {"bids": [["99", "1"]], "asks": [["101", "2"]], "update_id": 7}
    >>> market.mid, market == MarketData.of_body("X", body, 1)
    (100.0, True)
    """

    __slots__ = ("_body", "depth", "symbol")

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
        self._body: Any = BookView(symbol, bids, asks, update_id, depth)

    @classmethod
    def of(cls, book: BookView) -> MarketData:
        """Return the market data of a frozen book.

        >>> MarketData.of(BookView("X", ((99.0, 1.0),), ((101.0, 2.0),), 7, 1)).best_ask
        101.0
        """
        made = cls.__new__(cls)
        made.symbol = book.symbol
        made.depth = book.depth
        made._body = book
        return made

    @classmethod
    def of_body(cls, symbol: str, body: Any, depth: int) -> MarketData:
        """Return the market data of a callback's body, which is read on first access.

        The body must not be changed before that. Every attribute except ``symbol`` and ``depth`` raises
        `calib.errors.InvalidSnapshot` or `calib.errors.BadLevel` if the body is not a usable book.
        """
        made = cls.__new__(cls)
        made.symbol = symbol
        made.depth = depth
        made._body = body
        return made

    @property
    def book(self) -> BookView:
        """The data as a frozen book."""
        body = self._body
        if type(body) is BookView and body.depth == self.depth:
            return body
        book, _ = read_body(self.symbol, body, self.depth, Source.REST)
        self._body = book
        return book

    @property
    def bids(self) -> tuple[tuple[float, float], ...]:
        """``(price, qty)``, highest first."""
        return self.book.bids

    @property
    def asks(self) -> tuple[tuple[float, float], ...]:
        """``(price, qty)``, lowest first."""
        return self.book.asks

    @property
    def update_id(self) -> int | None:
        """The venue's id of the book."""
        return self.book.update_id

    @property
    def best_bid(self) -> float | None:
        """The highest bid; None if there are no bids."""
        bids = self.book.bids
        return bids[0][0] if bids else None

    @property
    def best_ask(self) -> float | None:
        """The lowest ask; None if there are no asks."""
        asks = self.book.asks
        return asks[0][0] if asks else None

    @property
    def mid(self) -> float | None:
        """Midpoint of the best bid and ask; None while a side is empty."""
        return self.book.mid

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MarketData) and self.book == other.book

    def __hash__(self) -> int:
        return hash(self.book)

    def __repr__(self) -> str:
        return f"MarketData({self.symbol!r}, {self.bids!r}, {self.asks!r}, {self.update_id!r}, {self.depth!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return MarketData.of, (self.book,)
