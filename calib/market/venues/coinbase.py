"""Coinbase Advanced Trade, channel ``level2`` (its messages say ``l2_data``).

``sequence_num`` counts all messages of a connection, of every channel and product, in steps of one; a missing one may
belong to any book. An event is a snapshot or an update of one product. Rule ``connection``.
https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/websocket/level2
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview

Subscribe to ``heartbeats`` too: Coinbase closes idle connections.
"""

from __future__ import annotations

from typing import Final

from calib.market.stream.messages import Delta, Snapshot
from calib.market.venues.base import Alive, BookMessage, Json, Other, Venue, VenueEvent
from calib.market.venues.fields import (
    Levels,
    answer,
    bad,
    iso_micros,
    levels,
    objects,
    optional_whole,
    rest_body,
    text,
    whole,
)

_SIDES: Final = {"bid": 0, "offer": 1, "ask": 1}


def read(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a message.

    >>> change = {"side": "offer", "price_level": "10", "new_quantity": "0"}
    >>> event = {"type": "update", "product_id": "BTC-USD", "updates": [change]}
    >>> read({"channel": "l2_data", "sequence_num": 4, "events": [event]})[0].message
    Delta(bids=[], asks=[('10', '0')], last_id=4, first_id=None, prev_id=None, checksum=None)
    """
    channel = message.get("channel")
    if channel != "l2_data":
        sequence = optional_whole(message, "sequence_num")
        if message.get("type") == "error":
            return (Other(f"error: {message.get('message')}", sequence),)
        if channel in ("heartbeats", "subscriptions"):
            return (Alive(sequence),)
        return (Other(channel if isinstance(channel, str) else "unknown", sequence),)
    sequence, at_us = whole(message, "sequence_num"), iso_micros(message, "timestamp")
    books = tuple(_book(event, sequence, at_us) for event in objects(message, "events"))
    return books or (Alive(sequence),)


def _book(event: Json, sequence: int, at_us: int | None) -> BookMessage:
    kind, sides = event.get("type"), (Levels(), Levels())
    if kind not in ("snapshot", "update"):
        raise bad("is neither snapshot nor update", "type")
    updates = objects(event, "updates")
    for update, level in zip(updates, levels(event, "updates", "price_level", "new_quantity"), strict=True):
        side = _SIDES.get(text(update, "side"))
        if side is None:
            raise bad(f"is {update['side']!r:.20}, not bid or offer", "side")
        sides[side].append(level)
    book = Snapshot if kind == "snapshot" else Delta
    return BookMessage(text(event, "product_id"), book(*sides, sequence), exchange_us=at_us)


def body(reply: object, symbol: str, depth: int) -> dict[str, object]:
    """Read ``GET /api/v3/brokerage/market/product_book``; the reply has no id."""
    data = answer(reply, "pricebook")
    return rest_body(symbol, levels(data, "bids", qty="size"), levels(data, "asks", qty="size"), None, depth)


COINBASE: Final = Venue(
    name="coinbase",
    title="Coinbase Advanced Trade",
    sequence_rule="connection",
    pushes_snapshots=True,
    rule="`sequence_num` counts every message of the connection: if one is missing, all its books are dropped",
    source="https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/websocket/level2",
    read=read,
    body=body,
    url="wss://advanced-trade-ws.coinbase.com",
    subscribe=(
        '{"type":"subscribe","channel":"level2","product_ids":["{symbol}"]}',
        '{"type":"subscribe","channel":"heartbeats"}',
    ),
    rest="https://api.coinbase.com/api/v3/brokerage/market/product_book?product_id={symbol}",
    symbol="BTC-USD",
    depth=50,
)
