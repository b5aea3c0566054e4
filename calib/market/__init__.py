"""The live book: prices, order book, sequence rules, stream."""

from calib.market.book import BookView, OrderBook

__all__ = ["BookView", "OrderBook"]
