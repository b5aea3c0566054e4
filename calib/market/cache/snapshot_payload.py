"""Reading the body that a refresh callback returned: check it and freeze it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calib.errors import InvalidSnapshot
from calib.market.book.book_side import read_levels
from calib.market.book.order_book import BookView, OrderBook
from calib.market.cache.entry import cut
from calib.market.cache.freshness import Source

_HINT = "The callback must return a mapping with bids, asks and update_id, or an OrderBook"


def read_body(symbol: str, body: Any, depth: int, default: Source) -> tuple[BookView, Source]:
    """Return the frozen book of a body, cut to ``depth``, and its source.

    Parameters
    ----------
    symbol
        The requested symbol.
    body
        A mapping ``{"symbol", "bids", "asks", "update_id", "source"?}``, an `OrderBook` or a `BookView`.
    depth
        Requested levels per side.
    default
        The source of a body that does not name one.

    Raises
    ------
    calib.errors.InvalidSnapshot, calib.errors.BadLevel
        If it is not a book, has another symbol, is shallower than requested, is crossed, or has no levels.

    >>> body = {"symbol": "X", "bids": [["99.5", "1"]], "asks": [["100", "2"]], "update_id": 7}
    >>> read_body("X", body, 50, Source.REST)[0].best_bid
    (99.5, 1.0)
    """
    if isinstance(body, OrderBook | BookView):
        if body.symbol != symbol:
            raise _other_symbol(symbol, body.symbol)
        view, source = _view(body, depth), default
    elif isinstance(body, Mapping):
        view, source = _from_mapping(symbol, body, depth), _source(body, default)
    else:
        raise InvalidSnapshot(
            f"{symbol}: the callback returned {type(body).__name__}, expected an order book", hint=_HINT
        )
    if not view.bids and not view.asks:
        raise InvalidSnapshot(
            f"{symbol}: the body has no levels", hint="Let the callback raise an error if the venue is down"
        )
    if view.bids and view.asks and view.bids[0][0] > view.asks[0][0]:
        raise InvalidSnapshot(
            f"{symbol}: the body is crossed: bid {view.bids[0][0]} is above ask {view.asks[0][0]}",
            hint="Check how the callback assembles the book",
        )
    return view, source


def _view(book: OrderBook | BookView, depth: int) -> BookView:
    """Freeze a live book: later changes by the bot must not be visible to readers of the cache."""
    if isinstance(book, OrderBook):
        return book.view(depth)
    if book.depth < depth:
        raise InvalidSnapshot(
            f"{book.symbol}: the callback returned a view of depth {book.depth}, expected {depth}", hint=_HINT
        )
    return cut(book, depth)


def _from_mapping(symbol: str, body: Mapping[Any, Any], depth: int) -> BookView:
    if body.get("symbol", symbol) != symbol:
        raise _other_symbol(symbol, body["symbol"])
    missing = [name for name in ("bids", "asks", "update_id") if name not in body]
    if missing:
        raise InvalidSnapshot(f"{symbol}: the body has no {', '.join(missing)}", hint=_HINT)
    update_id = body["update_id"]
    if update_id is not None and (isinstance(update_id, bool) or not isinstance(update_id, int)):
        raise InvalidSnapshot(f"{symbol}: update_id {update_id!r} is not an integer", hint=_HINT)
    bids, asks = read_levels(body["bids"]), read_levels(body["asks"])
    best_bids, best_asks = sorted(bids.items(), reverse=True)[:depth], sorted(asks.items())[:depth]
    return BookView(symbol, tuple(best_bids), tuple(best_asks), update_id, depth)


def _source(body: Mapping[Any, Any], default: Source) -> Source:
    named = body.get("source")
    if named is None:
        return default
    try:
        return Source(named)
    except ValueError:
        raise InvalidSnapshot(f"source {named!r} is not valid", hint="Allowed: stream, rest") from None


def _other_symbol(asked: str, got: object) -> InvalidSnapshot:
    return InvalidSnapshot(f"{asked} was requested, but the callback returned {got!r}", hint="Check the callback")
