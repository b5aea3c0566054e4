"""How deep a book is known, where its snapshot was cut at a depth and its deltas are of the whole book."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from calib.market.book.order_book import OrderBook

_WHOLE: Final = -math.inf
ALL_LEVELS: Final = 1 << 30
"""The depth of a book that is known whole."""


class KnownDepth:
    """The edges up to which each side is known: the worst price of the snapshot, where more may lie behind it.

    Levels at an edge or better are known, whatever deltas did to them since: the deltas tell of every change. Of those
    beyond only what has changed is known, so no view may reach there. A side with fewer levels than were asked for is
    known whole.

    >>> from calib.market.book.order_book import OrderBook
    >>> book = OrderBook("X")
    >>> book.snapshot([(99.0, 1.0), (98.0, 1.0)], [(101.0, 1.0)], 1)
    >>> known = KnownDepth()
    >>> known.of_snapshot(book, 2)
    >>> known.levels(book), known.holds(book)
    (2, True)
    >>> book.delta([(99.0, 0.0), (97.0, 1.0)], [], 2)  # 97.5 may be there too: it was in no message
    >>> known.levels(book), known.holds(book)
    (1, True)
    """

    __slots__ = ("_ask_edge", "_bid_edge", "_half", "limited")

    def __init__(self) -> None:
        self.whole()

    def whole(self) -> None:
        """Every level is known."""
        self._bid_edge = self._ask_edge = _WHOLE
        self._half = 1
        self.limited = False

    def of_snapshot(self, book: OrderBook, depth: int | None) -> None:
        """The book was just replaced by a snapshot for which ``depth`` levels were asked; None: all of them."""
        self.whole()
        if depth is None or (book.keep_levels is not None and depth >= book.keep_levels):
            return
        self._bid_edge, self._ask_edge = (
            edge if size >= depth else _WHOLE for edge, size in zip(book.edges(), book.size, strict=True)
        )
        self._half = (depth + 1) // 2
        self.limited = self._bid_edge != _WHOLE or self._ask_edge != _WHOLE

    def holds(self, book: OrderBook) -> bool:
        """Whether the best levels of both sides are known."""
        return book.reaches(self._bid_edge, self._ask_edge)

    def is_thin(self, book: OrderBook) -> bool:
        """Whether less than half of what was asked for is still known of a side: time for another snapshot."""
        return self.limited and not book.reaches(self._bid_edge, self._ask_edge, self._half)

    def levels(self, book: OrderBook) -> int:
        """Levels that are known of both sides."""
        if not self.limited:
            return ALL_LEVELS
        counts = book.counts_to(self._bid_edge, self._ask_edge)
        edges = (self._bid_edge, self._ask_edge)
        return min(count for count, edge in zip(counts, edges, strict=True) if edge != _WHOLE)
