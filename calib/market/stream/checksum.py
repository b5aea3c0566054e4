"""Venue checksums over the best levels: they verify the content of the book, while ids verify only the order.

Both venues hash the texts as sent, including trailing zeros, so the texts are stored beside the book.
Sources: Kraken, "Book checksum" (WebSocket v1 and v2); OKX API, "Order book channel, checksum".
"""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from calib.market.book.prices import Number, price_key
from calib.market.stream.messages import Delta, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from calib.market.book.book_side import Change
    from calib.market.book.order_book import OrderBook


@runtime_checkable
class Checksum(Protocol):
    """A venue's checksum. It must see every message of the book, in order, after the message was applied."""

    def holds(self, book: OrderBook, message: Snapshot | Delta) -> bool:
        """Whether the message's checksum matches the book; True if the message has none."""
        ...


class KrakenChecksum:
    """CRC32 over the ten best asks, then the ten best bids: price and quantity without point and leading zeros.

    Parameters
    ----------
    price_decimals, qty_decimals
        Decimals of the pair, for prices and quantities that are not sent as text (WebSocket v2 sends JSON numbers).
        Without them a number is written without an exponent and trailing zeros.

    >>> KrakenChecksum().text([("0.05005", "0.00000500")], [("0.05000", "0.00000500")])
    '50055005000500'
    """

    depth = 10

    def __init__(self, price_decimals: int | None = None, qty_decimals: int | None = None) -> None:
        self._texts = _Texts(price_decimals, qty_decimals)

    def holds(self, book: OrderBook, message: Snapshot | Delta) -> bool:
        bids, asks = self._texts.top(book, message, self.depth)
        return message.checksum is None or zlib.crc32(self.text(asks, bids).encode()) == message.checksum % 2**32

    @staticmethod
    def text(asks: Iterable[tuple[str, str]], bids: Iterable[tuple[str, str]]) -> str:
        """The text that is hashed."""
        return "".join(
            number.replace(".", "").lstrip("0") for side in (asks, bids) for level in side for number in level
        )


class OkxChecksum:
    """CRC32, signed in the messages, over the 25 best levels: ``bid:qty:ask:qty:bid:...``; a missing side is left out.

    Parameters
    ----------
    price_decimals, qty_decimals
        As for `KrakenChecksum`; OKX sends texts.

    A checksum of 0 means absent: OKX sends 0 since it stopped supporting the checksum.

    >>> OkxChecksum().text([("3366.1", "7")], [("3366.8", "9"), ("3368", "8")])
    '3366.1:7:3366.8:9:3368:8'
    """

    depth = 25

    def __init__(self, price_decimals: int | None = None, qty_decimals: int | None = None) -> None:
        self._texts = _Texts(price_decimals, qty_decimals)

    def holds(self, book: OrderBook, message: Snapshot | Delta) -> bool:
        bids, asks = self._texts.top(book, message, self.depth)
        return not message.checksum or zlib.crc32(self.text(bids, asks).encode()) == message.checksum % 2**32

    @staticmethod
    def text(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> str:
        """The text that is hashed."""
        parts: list[str] = []
        for rank in range(max(len(bids), len(asks))):
            for side in (bids, asks):
                parts += side[rank] if rank < len(side) else ()
        return ":".join(parts)


class _Texts:
    """The levels of a book in the venue's text format."""

    __slots__ = ("_decimals", "_sides")

    def __init__(self, price_decimals: int | None, qty_decimals: int | None) -> None:
        self._decimals = (price_decimals, qty_decimals)
        self._sides: tuple[dict[float, tuple[str, str]], dict[float, tuple[str, str]]] = ({}, {})

    def top(
        self, book: OrderBook, message: Snapshot | Delta, depth: int
    ) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Apply a message; returns the best bids and asks of the book as texts."""
        bids, asks = self._sides
        if isinstance(message, Snapshot):
            bids.clear()
            asks.clear()
        self._take(bids, message.bids)
        self._take(asks, message.asks)
        self._forget_trimmed(book)
        view = book.view(depth)
        return [bids[price] for price, _ in view.bids], [asks[price] for price, _ in view.asks]

    def _take(self, side: dict[float, tuple[str, str]], changes: Iterable[Change]) -> None:
        price_decimals, qty_decimals = self._decimals
        for price, qty in changes:
            if float(qty) == 0:
                side.pop(price_key(price), None)
            else:
                side[price_key(price)] = (_text(price, price_decimals), _text(qty, qty_decimals))

    def _forget_trimmed(self, book: OrderBook) -> None:
        """Drop the texts of levels that the book trimmed (``keep_levels``); otherwise they would accumulate."""
        if sum(map(len, self._sides)) > 2 * sum(book.size) + 100:
            view = book.view(max(1, *book.size))
            for side, levels in zip(self._sides, (view.bids, view.asks), strict=True):
                for price in side.keys() - {price for price, _ in levels}:
                    del side[price]


def _text(number: Number, decimals: int | None) -> str:
    if isinstance(number, str):
        return number
    if decimals is not None:
        return f"{number:.{decimals}f}"
    return format(number if isinstance(number, Decimal) else Decimal(f"{number:.15g}"), "f")
