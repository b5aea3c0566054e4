"""Gate, ``spot.order_book_update``, ``futures.order_book_update``, and their second version ``obu``.

A message covers the ids ``U..u``. The first one after the REST snapshot with id ``base`` has
``U <= base + 1 <= u``; after that each ``U`` is the previous ``u`` + 1. A message with ``full`` is the whole book (the
second version begins with one, so it needs no REST). Rule ``range``.
https://www.gate.com/docs/developers/apiv4/ws/en/#changed-order-book-levels
https://www.gate.com/docs/developers/futures/ws/en/#order-book-update-subscription
"""

from __future__ import annotations

from typing import Final

from calib.market.stream.messages import Delta, Snapshot
from calib.market.venues.base import Alive, BookMessage, Json, Other, Venue, VenueEvent
from calib.market.venues.fields import answer, bad, levels, mapping, micros, rest_body, text, whole

_CHANNELS: Final = ("order_book_update", "obu")


def read(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a message.

    >>> result = {"t": 2, "s": "BTC_USDT", "U": 4, "u": 6, "b": [["9", "1"]], "a": []}
    >>> read({"channel": "spot.order_book_update", "event": "update", "result": result})[0].message
    Delta(bids=[('9', '1')], asks=[], last_id=6, first_id=4, prev_id=None, checksum=None)
    """
    channel, event = message.get("channel"), message.get("event")
    if message.get("error"):
        return (Other(f"error: {message['error']}"),)
    if not isinstance(channel, str):
        return (Other("unknown"),)
    if event in ("subscribe", "unsubscribe") or channel.endswith(".pong"):
        return (Alive(),)
    if channel.partition(".")[2] not in _CHANNELS:
        return (Other(channel),)
    return (_book(mapping(message, "result")),)


def _book(data: Json) -> BookMessage:
    symbol, depth = _symbol(text(data, "s"))
    if depth is None and data.get("l") is not None:
        depth = whole(data, "l")
    # In the second version a side without changes may be missing.
    bids, asks = (levels({key: data.get(key)}, key, "p", "s") for key in ("b", "a"))
    message: Snapshot | Delta
    if data.get("full") is True:
        message = Snapshot(bids, asks, whole(data, "u"))
    else:
        message = Delta(bids, asks, whole(data, "u"), first_id=whole(data, "U"))
    return BookMessage(symbol, message, depth, micros(data, "t"))


def _symbol(named: str) -> tuple[str, int | None]:
    """Split a symbol like ``ob.BTC_USDT.400``, which includes the depth."""
    parts = named.split(".")
    if parts[0] != "ob":
        return named, None
    if len(parts) != 3 or not parts[1] or not (parts[2].isascii() and parts[2].isdecimal()):
        raise bad(f"is {named!r:.40}, not ob.<symbol>.<levels>", "s")
    return parts[1], int(parts[2])


def body(reply: object, symbol: str, depth: int) -> dict[str, object]:
    """Read ``GET /spot/order_book?with_id=true`` or ``/futures/{settle}/order_book?with_id=true``; stream's ids."""
    data = answer(reply)
    return rest_body(symbol, levels(data, "bids", "p", "s"), levels(data, "asks", "p", "s"), whole(data, "id"), depth)


GATE: Final = Venue(
    name="gate",
    title="Gate",
    sequence_rule="range",
    pushes_snapshots=False,
    rule="The first after the snapshot has `U` <= `id` + 1 <= `u`; each `U` after it is the previous `u` + 1",
    source="https://www.gate.com/docs/developers/apiv4/ws/en/#changed-order-book-levels",
    read=read,
    body=body,
    url="wss://api.gateio.ws/ws/v4/",
    subscribe=('{"time":0,"channel":"spot.order_book_update","event":"subscribe","payload":["{symbol}","100ms"]}',),
    rest="https://api.gateio.ws/api/v4/spot/order_book?currency_pair={symbol}&limit=100&with_id=true",
    symbol="BTC_USDT",
    depth=50,
    rest_depth=100,
    ping='{"time":0,"channel":"spot.ping"}',
)
