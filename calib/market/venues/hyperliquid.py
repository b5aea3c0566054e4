"""Hyperliquid, subscription ``l2Book``.

Each message is the whole book with at most 20 levels per side, bids first, without an id. It replaces the one before,
and its time in milliseconds is used as the id. Rule ``rising``.
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions
"""

from __future__ import annotations

from typing import Final

from calib.market.stream.messages import Snapshot
from calib.market.venues.base import Alive, BookMessage, Json, Other, Venue, VenueEvent
from calib.market.venues.fields import Levels, answer, bad, levels, mapping, micros, rest_body, text, whole

LEVELS: Final = 20
"""Most levels per side of a message."""


def read(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a message.

    >>> data = {"coin": "BTC", "time": 5, "levels": [[{"px": "9", "sz": "1", "n": 2}], []]}
    >>> read({"channel": "l2Book", "data": data})[0].message
    Snapshot(bids=[('9', '1')], asks=[], update_id=5, epoch=None, checksum=None, depth=20)
    """
    channel = message.get("channel")
    if channel != "l2Book":
        if channel in ("pong", "subscriptionResponse"):
            return (Alive(),)
        if channel == "error":
            return (Other(f"error: {message.get('data')}"),)
        return (Other(channel if isinstance(channel, str) else "unknown"),)
    data = mapping(message, "data")
    bids, asks = _sides(data)
    book = Snapshot(bids, asks, whole(data, "time"), depth=LEVELS)
    return (BookMessage(text(data, "coin"), book, LEVELS, micros(data, "time")),)


def _sides(data: Json) -> tuple[Levels, Levels]:
    sides = data.get("levels")
    if not isinstance(sides, list) or len(sides) != 2:
        raise bad("is not a pair of sides", "levels")
    both = {"bids": sides[0], "asks": sides[1]}
    return levels(both, "bids", "px", "sz"), levels(both, "asks", "px", "sz")


def body(reply: object, symbol: str, depth: int) -> dict[str, object]:
    """Read ``POST /info`` with ``{"type": "l2Book", "coin": ...}``; used for reads only, the stream needs none."""
    bids, asks = _sides(answer(reply))
    return rest_body(symbol, bids, asks, None, depth)


HYPERLIQUID: Final = Venue(
    name="hyperliquid",
    title="Hyperliquid",
    sequence_rule="rising",
    pushes_snapshots=True,
    rule="Every message is the whole book, 20 levels per side, and replaces the one before",
    source="https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions",
    read=read,
    body=body,
    url="wss://api.hyperliquid.xyz/ws",
    subscribe=('{"method":"subscribe","subscription":{"type":"l2Book","coin":"{symbol}"}}',),
    rest="https://api.hyperliquid.xyz/info",
    symbol="BTC",
    depth=20,
    rest_depth=20,
    ping='{"method":"ping"}',
)
