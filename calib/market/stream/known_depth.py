"""The known depth of a book whose snapshot was limited to a depth, while its deltas cover the whole book."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from calib.market.book.order_book import OrderBook

_WHOLE: Final = -math.inf
ALL_LEVELS: Final = 1 << 30
"""The depth of a book whose levels are all known."""


class KnownDepth:
    """The price on each side up to which the book is known: the worst price of a snapshot that may have been cut.

    Levels at that price (the edge) or better are known, because the deltas report every change. Beyond it only changed
    levels are known, so no view may include them. A side with fewer levels than requested is known completely.

    >>> from calib.market.book.order_book import OrderBook
    >>> book = OrderBook("X")
    >>> book.snapshot([(99.0, 1.0), (98.0, 1.0)], [(101.0, 1.0)], 1)
    >>> known = KnownDepth()
    >>> known.set_from_snapshot(book, 2)
    >>> known.levels(book), known.holds(book)
    (2, True)
    >>> book.delta([(99.0, 0.0), (97.0, 1.0)], [], 2)  # a level at 97.5 may exist: no message has reported it
    >>> known.levels(book), known.holds(book)
    (1, True)
    """

    __slots__ = ("_ask_edge", "_bid_edge", "_half", "limited")

    def __init__(self) -> None:
        self.whole()

    def whole(self) -> None:
        """Mark every level as known."""
        self._bid_edge = self._ask_edge = _WHOLE
        self._half = 1
        self.limited = False

    def set_from_snapshot(self, book: OrderBook, depth: int | None) -> None:
        """The book was just replaced by a snapshot limited to ``depth`` levels per side; None: not limited."""
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
        """Whether less than half of the requested depth is still known on a side, so that a new snapshot is needed."""
        return self.limited and not book.reaches(self._bid_edge, self._ask_edge, self._half)

    def levels(self, book: OrderBook) -> int:
        """Levels that are known on both sides."""
        if not self.limited:
            return ALL_LEVELS
        counts = book.counts_to(self._bid_edge, self._ask_edge)
        edges = (self._bid_edge, self._ask_edge)
        return min(count for count, edge in zip(counts, edges, strict=True) if edge != _WHOLE)
