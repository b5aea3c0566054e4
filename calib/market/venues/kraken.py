"""Kraken, WebSocket v2 channel ``book``.

There are no ids: each message follows the one before it, and the CRC32 of the ten best levels verifies the book. Levels
that leave the subscribed depth are not removed by a message, so the book is cut to that depth. Rule ``checksum``.
https://docs.kraken.com/api/docs/guides/spot-ws-book-v2

Prices and quantities are JSON numbers with the decimals that the checksum needs, so they are decoded as `Decimal`. The
time of a message is used as its id, so that readers can tell two books apart.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Final

from calib.market.stream.checksum import KrakenChecksum
from calib.market.stream.messages import Delta, Snapshot
from calib.market.venues.base import Alive, BookMessage, Json, Other, Venue, VenueEvent
from calib.market.venues.fields import answer, bad, iso_micros, levels, objects, rest_body, text, whole


def read(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a message decoded by `decode`.

    >>> message = decode('{"channel":"book","type":"update","data":[{"symbol":"X/USD","bids":[{"price":9.50,"qty":1}],'
    ...                  '"asks":[],"checksum":7,"timestamp":"1970-01-01T00:00:01Z"}]}')
    >>> read(message)[0].message
    Delta(bids=[(Decimal('9.50'), 1)], asks=[], last_id=1000000, first_id=None, prev_id=None, checksum=7)
    """
    channel = message.get("channel")
    if channel != "book":
        if message.get("success") is False:
            return (Other(f"error: {message.get('error')}"),)
        if channel == "heartbeat" or "method" in message:
            return (Alive(),)
        return (Other(channel if isinstance(channel, str) else "unknown"),)
    kind = message.get("type")
    if kind not in ("snapshot", "update"):
        raise bad("is neither snapshot nor update", "type")
    return tuple(_book(row, kind == "snapshot") for row in objects(message, "data"))


def decode(frame: str | bytes) -> object:
    """Decode JSON with decimals as `Decimal`, which keeps trailing zeros."""
    return json.loads(frame, parse_float=Decimal, parse_constant=_refuse)


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is not a number")


def _book(row: Json, is_snapshot: bool) -> BookMessage:
    at_us = iso_micros(row, "timestamp")
    bids, asks, checksum = levels(row, "bids"), levels(row, "asks"), whole(row, "checksum")
    book = Snapshot if is_snapshot else Delta
    return BookMessage(text(row, "symbol"), book(bids, asks, at_us or 0, checksum=checksum), exchange_us=at_us)


def checksum_of(symbol: str) -> KrakenChecksum:
    """The checksum of one symbol's book; the numbers carry their decimals."""
    return KrakenChecksum()


def body(reply: object, symbol: str, depth: int) -> dict[str, object]:
    """Read ``GET /0/public/Depth``; its pairs have other names, so the first one in the reply is used."""
    result = answer(reply, "result")
    data = answer(next(iter(result.values()), None))
    return rest_body(symbol, levels(data, "bids"), levels(data, "asks"), None, depth)


KRAKEN: Final = Venue(
    name="kraken",
    title="Kraken v2",
    sequence_rule="checksum",
    pushes_snapshots=True,
    rule="No ids: the CRC32 of the ten best levels verifies the book; it is cut to the subscribed depth",
    source="https://docs.kraken.com/api/docs/guides/spot-ws-book-v2",
    read=read,
    body=body,
    url="wss://ws.kraken.com/v2",
    subscribe=('{"method":"subscribe","params":{"channel":"book","symbol":["{symbol}"],"depth":25}}',),
    rest="https://api.kraken.com/0/public/Depth?pair={symbol}&count=500",
    symbol="BTC/USD",
    depth=25,
    rest_depth=500,
    checksum=checksum_of,
    needs_depth=True,
    decode=decode,
)
