"""Bitget, channel ``books``: the unified account's feed (v3), and the older one (v2).

**v3**: a snapshot has ``pseq`` 0; an update follows the message whose ``seq`` is its ``pseq``. Rule ``previous``.
https://www.bitget.com/api-doc/uta/websocket/public/Order-Book-Channel

**v2**: ``seq`` only rises, by any step, so a lost message cannot be detected by it. The checksum over 25 levels, like
OKX's, verifies the book; 0 means no checksum. Rule ``rising``.
https://www.bitget.com/api-doc/spot/websocket/public/Depth-Channel

``books1``, ``books5``, ``books15`` are small complete books in the same connection; they are not order book messages
here.
"""

from __future__ import annotations

from typing import Final

from calib.market.stream.checksum import OkxChecksum
from calib.market.stream.messages import Delta, Snapshot
from calib.market.venues.base import Alive, BookMessage, Json, Other, Venue, VenueEvent
from calib.market.venues.fields import (
    answer,
    bad,
    levels,
    mapping,
    micros,
    objects,
    optional_whole,
    rest_body,
    text,
    whole,
)


def read(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a v3 message.

    >>> row = {"a": [], "b": [["9", "1"]], "checksum": 0, "pseq": 4, "seq": "5", "ts": "2"}
    >>> read({"action": "update", "arg": {"topic": "books", "symbol": "BTCUSDT"}, "data": [row]})[0].message
    Delta(bids=[('9', '1')], asks=[], last_id=5, first_id=None, prev_id=4, checksum=None)
    """
    return _read(message, chained=True)


def read_classic(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a v2 message.

    >>> row = {"asks": [], "bids": [["9", "1"]], "checksum": -7, "seq": 5, "ts": "2"}
    >>> read_classic({"action": "update", "arg": {"channel": "books", "instId": "BTCUSDT"}, "data": [row]})[0].message
    Delta(bids=[('9', '1')], asks=[], last_id=5, first_id=None, prev_id=None, checksum=-7)
    """
    return _read(message, chained=False)


def _read(message: Json, *, chained: bool) -> tuple[VenueEvent, ...]:
    if "event" in message:
        failed = message["event"] == "error"
        return (Other(f"error: {message.get('msg')}") if failed else Alive(),)
    if "arg" not in message:
        return (Other("unknown"),)
    arg = mapping(message, "arg")
    channel = text(arg, "topic" if "topic" in arg else "channel")
    if channel != "books":
        return (Other(channel),)
    symbol, action = text(arg, "symbol" if "symbol" in arg else "instId"), message.get("action")
    if action not in ("snapshot", "update"):
        raise bad("is neither snapshot nor update", "action")
    return tuple(_book(row, action == "snapshot", symbol, chained) for row in objects(message, "data"))


def _book(row: Json, is_snapshot: bool, symbol: str, chained: bool) -> BookMessage:
    bids, asks = (levels(row, short if short in row else long) for short, long in (("b", "bids"), ("a", "asks")))
    seq, checksum = whole(row, "seq"), optional_whole(row, "checksum") or None
    message: Snapshot | Delta
    if is_snapshot:
        message = Snapshot(bids, asks, seq, checksum=checksum)
    elif chained:
        if "pseq" not in row:
            raise bad("is missing: this is the older feed, take the venue bitget-classic", "pseq")
        message = Delta(bids, asks, seq, prev_id=whole(row, "pseq"), checksum=checksum)
    else:
        message = Delta(bids, asks, seq, checksum=checksum)
    return BookMessage(symbol, message, exchange_us=micros(row, "ts"))


def checksum_of(symbol: str) -> OkxChecksum:
    """The checksum of one symbol's book (v2)."""
    return OkxChecksum()


def body(reply: object, symbol: str, depth: int) -> dict[str, object]:
    """Read ``GET /api/v3/market/orderbook`` or ``/api/v2/spot/market/orderbook``; the reply has no id."""
    data = answer(reply, "data")
    bids, asks = (levels(data, short if short in data else long) for short, long in (("b", "bids"), ("a", "asks")))
    return rest_body(symbol, bids, asks, None, depth)


BITGET: Final = Venue(
    name="bitget",
    title="Bitget v3 (unified account)",
    sequence_rule="previous",
    pushes_snapshots=True,
    rule="Each `pseq` is the previous `seq`; 0 in a snapshot",
    source="https://www.bitget.com/api-doc/uta/websocket/public/Order-Book-Channel",
    read=read,
    body=body,
    url="wss://ws.bitget.com/v3/ws/public",
    subscribe=('{"op":"subscribe","args":[{"instType":"usdt-futures","topic":"books","symbol":"{symbol}"}]}',),
    rest="https://api.bitget.com/api/v3/market/orderbook?category=USDT-FUTURES&symbol={symbol}&limit=200",
    symbol="BTCUSDT",
    depth=50,
    rest_depth=200,
    ping="ping",
)
BITGET_CLASSIC: Final = Venue(
    name="bitget-classic",
    title="Bitget v2 (older feeds)",
    sequence_rule="rising",
    pushes_snapshots=True,
    rule="`seq` only rises; the checksum over 25 levels, if it is not 0, verifies the book",
    source="https://www.bitget.com/api-doc/spot/websocket/public/Depth-Channel",
    read=read_classic,
    body=body,
    url="wss://ws.bitget.com/v2/ws/public",
    subscribe=('{"op":"subscribe","args":[{"instType":"SPOT","channel":"books","instId":"{symbol}"}]}',),
    rest="https://api.bitget.com/api/v2/spot/market/orderbook?symbol={symbol}&limit=150",
    symbol="BTCUSDT",
    depth=50,
    rest_depth=200,
    ping="ping",
    checksum=checksum_of,
)
