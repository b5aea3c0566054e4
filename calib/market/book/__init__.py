"""The order book itself: its levels, exact prices, and a mirror that keeps only what another book lacks."""

from calib.market.book.mirror import MirrorBook
from calib.market.book.order_book import BookView, OrderBook

__all__ = ["BookView", "MirrorBook", "OrderBook"]
