"""Bybit, v5 public ``orderbook.{depth}.{symbol}``.

The first message is a snapshot; each delta's ``u`` is one higher. A new snapshot replaces the book; ``u`` = 1 marks a
restart of the service. A book may be empty. The ``u`` of the REST reply belongs to the deepest stream, so the body has
no id to compare. Rule ``contiguous``.
https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook
https://bybit-exchange.github.io/docs/v5/market/orderbook
"""

from __future__ import annotations

from typing import Final

from calib.market.stream.messages import Delta, Snapshot
from calib.market.stream.sequence import RESTART_ID
from calib.market.venues.base import Alive, BookMessage, Json, Other, Venue, VenueEvent
from calib.market.venues.fields import answer, bad, levels, mapping, micros, rest_body, text, whole


def read(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a message.

    >>> data = {"s": "BTCUSDT", "b": [], "a": [], "u": 1, "seq": 9}
    >>> read({"topic": "orderbook.50.BTCUSDT", "type": "delta", "ts": 2, "data": data})[0].message
    Snapshot(bids=[], asks=[], update_id=1, epoch=None, checksum=None, depth=None)
    """
    topic = message.get("topic")
    if not isinstance(topic, str):
        if message.get("success") is False:
            return (Other(f"error: {message.get('ret_msg')}"),)
        return (Alive() if "op" in message else Other("unknown"),)
    name, *rest = topic.split(".")
    if name != "orderbook" or len(rest) < 2 or not (rest[0].isascii() and rest[0].isdecimal()):
        return (Other(topic),)
    data, kind = mapping(message, "data"), message.get("type")
    if kind not in ("snapshot", "delta"):
        raise bad("is neither snapshot nor delta", "type")
    bids, asks, update_id = levels(data, "b"), levels(data, "a"), whole(data, "u")
    book = Snapshot if kind == "snapshot" or update_id == RESTART_ID else Delta
    return (BookMessage(text(data, "s"), book(bids, asks, update_id), int(rest[0]), micros(message, "cts", "ts")),)


def body(reply: object, symbol: str, depth: int) -> dict[str, object]:
    """Read ``GET /v5/market/orderbook``; without an id, see above."""
    data = answer(reply, "result")
    return rest_body(symbol, levels(data, "b"), levels(data, "a"), None, depth)


BYBIT: Final = Venue(
    name="bybit",
    title="Bybit v5",
    sequence_rule="contiguous",
    pushes_snapshots=True,
    rule="Each `u` is the previous one + 1; a snapshot, or `u` = 1 after a restart, replaces the book",
    source="https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook",
    read=read,
    body=body,
    url="wss://stream.bybit.com/v5/public/linear",
    subscribe=('{"op":"subscribe","args":["orderbook.50.{symbol}"]}',),
    rest="https://api.bybit.com/v5/market/orderbook?category=linear&symbol={symbol}&limit=200",
    symbol="BTCUSDT",
    depth=50,
    rest_depth=200,
    ping='{"op":"ping"}',
)
