"""Deribit, ``book.{instrument}.{interval}`` and the grouped ``book.{instrument}.{group}.{depth}.{interval}``.

The first notification is a snapshot; a change follows the one whose ``change_id`` is its ``prev_change_id``. Levels are
``[new | change | delete, price, amount]``. Grouped notifications are whole books of ``depth`` levels. Rule
``previous``.
https://docs.deribit.com/subscriptions/orderbook/bookinstrument_nameinterval
"""

from __future__ import annotations

from typing import Final

from calib.market.stream.messages import Delta, Snapshot
from calib.market.venues.base import Alive, BookMessage, Json, Other, Venue, VenueEvent
from calib.market.venues.fields import Levels, answer, bad, levels, mapping, micros, rest_body, text, whole

_ACTIONS: Final = ("new", "change", "delete")


def read(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a message.

    >>> data = {"type": "change", "timestamp": 2, "instrument_name": "X", "change_id": 5, "prev_change_id": 4,
    ...         "bids": [["delete", 9.0, 0.0]], "asks": []}
    >>> read({"method": "subscription", "params": {"channel": "book.X.100ms", "data": data}})[0].message
    Delta(bids=[(9.0, 0)], asks=[], last_id=5, first_id=None, prev_id=4, checksum=None)
    """
    method = message.get("method")
    if method != "subscription":
        if "error" in message:
            return (Other(f"error: {message['error']}"),)
        return (Alive() if method == "heartbeat" or "result" in message else Other("unknown"),)
    params = mapping(message, "params")
    channel = text(params, "channel")
    parts = channel.split(".")
    if parts[0] != "book" or len(parts) not in (3, 5):
        return (Other(channel),)
    data = mapping(params, "data")
    grouped = len(parts) == 5
    if grouped and not (parts[3].isascii() and parts[3].isdecimal()):
        raise bad("does not say its depth", "channel")
    depth = int(parts[3]) if grouped else None
    book = _changes(data) if depth is None else _whole(data, depth)
    return (BookMessage(text(data, "instrument_name"), book, depth, micros(data, "timestamp")),)


def _whole(data: Json, depth: int) -> Snapshot:
    return Snapshot(levels(data, "bids"), levels(data, "asks"), whole(data, "change_id"), depth=depth)


def _changes(data: Json) -> Snapshot | Delta:
    kind, bids, asks = data.get("type"), _actions(data, "bids"), _actions(data, "asks")
    if kind == "snapshot":
        return Snapshot(bids, asks, whole(data, "change_id"))
    if kind != "change":
        raise bad("is neither snapshot nor change", "type")
    return Delta(bids, asks, whole(data, "change_id"), prev_id=whole(data, "prev_change_id"))


def _actions(data: Json, key: str) -> Levels:
    rows = data.get(key)
    if not isinstance(rows, list):
        raise bad("is not a list of levels", key)
    if not all(isinstance(row, list) and len(row) == 3 and row[0] in _ACTIONS for row in rows):
        raise bad("has a level that is not [new | change | delete, price, amount]", key)
    changed = levels({key: [row[1:] for row in rows]}, key)
    return [(price, 0 if row[0] == "delete" else qty) for row, (price, qty) in zip(rows, changed, strict=True)]


def body(reply: object, symbol: str, depth: int) -> dict[str, object]:
    """Read ``public/get_order_book``; its id is the stream's."""
    data = answer(reply, "result")
    return rest_body(symbol, levels(data, "bids"), levels(data, "asks"), whole(data, "change_id"), depth)


DERIBIT: Final = Venue(
    name="deribit",
    title="Deribit",
    sequence_rule="previous",
    pushes_snapshots=True,
    rule="Each `prev_change_id` is the previous `change_id`; the first notification is a snapshot",
    source="https://docs.deribit.com/subscriptions/orderbook/bookinstrument_nameinterval",
    read=read,
    body=body,
    url="wss://www.deribit.com/ws/api/v2",
    subscribe=('{"jsonrpc":"2.0","id":1,"method":"public/subscribe","params":{"channels":["book.{symbol}.100ms"]}}',),
    rest="https://www.deribit.com/api/v2/public/get_order_book?instrument_name={symbol}&depth=1000",
    symbol="BTC-PERPETUAL",
    depth=50,
)
