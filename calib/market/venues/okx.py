"""OKX, v5 order book channels ``books``, ``books-l2-tbt`` (400 levels) and ``books50-l2-tbt``.

A snapshot has ``prevSeqId`` -1. An update follows the message whose ``seqId`` is its ``prevSeqId``. If nothing changes
for a while, an empty update has ``seqId`` equal to ``prevSeqId``. During maintenance the ids may be reset: one message
has a ``seqId`` below its ``prevSeqId``, and the next follows it. Rule ``previous``. The checksum is no longer
supported: 0 means absent.
https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel

``books5`` and ``bbo-tbt`` are small complete books in the same connection; they are not order book messages here.
"""

from __future__ import annotations

from typing import Final

from calib.market.stream.messages import Delta, Snapshot
from calib.market.stream.sequence import NO_PREVIOUS
from calib.market.venues.base import Alive, BookMessage, Json, Other, Venue, VenueEvent
from calib.market.venues.fields import answer, bad, levels, mapping, micros, objects, optional_whole, rest_body, text
from calib.market.venues.fields import whole as whole_number

_DEPTHS: Final = {"books": 400, "books-l2-tbt": 400, "books50-l2-tbt": 50}


def read(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a message.

    >>> row = {"asks": [], "bids": [], "ts": "2", "checksum": 0, "seqId": 10, "prevSeqId": 10}
    >>> read({"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": "update", "data": [row]})[0].message
    Delta(bids=[], asks=[], last_id=10, first_id=None, prev_id=10, checksum=None)
    """
    if "event" in message:
        failed = message["event"] == "error"
        return (Other(f"error: {message.get('msg')}") if failed else Alive(),)
    if "arg" not in message:
        return (Other("unknown"),)
    arg = mapping(message, "arg")
    channel = text(arg, "channel")
    if channel not in _DEPTHS:
        return (Other(channel),)
    symbol, action = text(arg, "instId"), message.get("action")
    return tuple(_book(row, action, symbol, _DEPTHS[channel]) for row in objects(message, "data"))


def _book(row: Json, action: object, symbol: str, depth: int) -> BookMessage:
    bids, asks, seq_id = levels(row, "bids"), levels(row, "asks"), whole_number(row, "seqId")
    previous_id, checksum = whole_number(row, "prevSeqId"), optional_whole(row, "checksum") or None
    if action not in ("snapshot", "update"):
        raise bad("is neither snapshot nor update", "action")
    message: Snapshot | Delta
    if action == "snapshot" or previous_id == NO_PREVIOUS:
        message = Snapshot(bids, asks, seq_id, checksum=checksum)
    else:
        message = Delta(bids, asks, seq_id, prev_id=previous_id, checksum=checksum)
    return BookMessage(symbol, message, depth, micros(row, "ts"))


def body(reply: object, symbol: str, depth: int) -> dict[str, object]:
    """Read ``GET /api/v5/market/books``; OKX does not document that its ids are those of the channel."""
    data = answer(reply, "data")
    return rest_body(symbol, levels(data, "bids"), levels(data, "asks"), None, depth)


OKX: Final = Venue(
    name="okx",
    title="OKX v5",
    sequence_rule="previous",
    pushes_snapshots=True,
    rule="Each `prevSeqId` is the previous `seqId`, -1 in a snapshot; equal means no change, a lower `seqId` a reset",
    source="https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel",
    read=read,
    body=body,
    url="wss://ws.okx.com:8443/ws/v5/public",
    subscribe=('{"op":"subscribe","args":[{"channel":"books","instId":"{symbol}"}]}',),
    rest="https://www.okx.com/api/v5/market/books?instId={symbol}&sz=400",
    symbol="BTC-USDT",
    depth=50,
    rest_depth=400,
    ping="ping",
)
