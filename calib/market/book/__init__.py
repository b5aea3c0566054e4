"""The order book: levels, exact prices, and a mirror that stores only the levels that another book lacks."""

from calib.market.book.mirror import MirrorBook
from calib.market.book.order_book import BookView, OrderBook

__all__ = ["BookView", "MirrorBook", "OrderBook"]
