"""KuCoin: spot ``/market/level2:{symbol}`` and futures ``/contractMarket/level2:{symbol}``.

A spot message covers the ids ``sequenceStart..sequenceEnd``; a futures message has one change and one id. The ids are
consecutive; the first message after the REST snapshot covers or follows its ``sequence`` + 1. A change with price 0 is
not a level: it only advances the id. Rule ``range``.
https://www.kucoin.com/docs-new/3470221w0
https://www.kucoin.com/docs/websocket/spot-trading/public-channels/level2-market-data
"""

from __future__ import annotations

from typing import Final

from calib.market.stream.messages import Delta
from calib.market.venues.base import Alive, BookMessage, Json, Other, Venue, VenueEvent
from calib.market.venues.fields import Levels, answer, bad, levels, mapping, micros, rest_body, text, whole

_SPOT: Final = "/market/level2:"
_FUTURES: Final = "/contractMarket/level2:"


def read(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a message.

    >>> data = {"symbol": "X-USDT", "sequenceStart": 4, "sequenceEnd": 5, "changes": {"bids": [["0", "0", "4"],
    ...         ["9", "1", "5"]], "asks": []}}
    >>> read({"type": "message", "topic": "/market/level2:X-USDT", "data": data})[0].message
    Delta(bids=[('9', '1')], asks=[], last_id=5, first_id=4, prev_id=None, checksum=None)
    """
    kind, topic = message.get("type"), message.get("topic")
    if kind != "message" or not isinstance(topic, str):
        if kind == "error":
            return (Other(f"error: {message.get('data')}"),)
        return (Alive() if kind in ("welcome", "ack", "pong") else Other("unknown"),)
    if topic.startswith(_SPOT):
        return (_spot(mapping(message, "data")),)
    if topic.startswith(_FUTURES):
        return (_futures(mapping(message, "data"), topic.removeprefix(_FUTURES)),)
    return (Other(topic),)


def _spot(data: Json) -> BookMessage:
    changes = mapping(data, "changes")
    bids, asks = _real(levels(changes, "bids")), _real(levels(changes, "asks"))
    delta = Delta(bids, asks, whole(data, "sequenceEnd"), first_id=whole(data, "sequenceStart"))
    return BookMessage(text(data, "symbol"), delta, exchange_us=micros(data, "time"))


def _futures(data: Json, symbol: str) -> BookMessage:
    sequence, parts = whole(data, "sequence"), text(data, "change").split(",")
    if len(parts) != 3 or parts[1] not in ("buy", "sell") or not symbol:
        raise bad("is not price,side,size", "change")
    price, side, size = parts
    level = _real([(price, size)])
    delta = Delta(*((level, []) if side == "buy" else ([], level)), sequence, first_id=sequence)
    return BookMessage(symbol, delta, exchange_us=micros(data, "timestamp"))


def _real(changes: Levels) -> Levels:
    """Remove changes at price 0, which only advance the id."""
    return [change for change in changes if not _is_zero(change[0])]


def _is_zero(price: object) -> bool:
    if isinstance(price, str):  # "0", "0.00", but not "" or "abc": the book reports those as errors
        return "0" in price and not price.strip("0.")
    return price == 0


def body(reply: object, symbol: str, depth: int) -> dict[str, object]:
    """Read ``GET /api/v1/market/orderbook/level2_100`` or futures ``/api/v1/level2/snapshot``; stream's ids."""
    data = answer(reply, "data")
    return rest_body(symbol, levels(data, "bids"), levels(data, "asks"), whole(data, "sequence"), depth)


KUCOIN: Final = Venue(
    name="kucoin",
    title="KuCoin",
    sequence_rule="range",
    pushes_snapshots=False,
    rule="Each `sequenceStart` is at most the previous `sequenceEnd` + 1; a change with price 0 only advances the id",
    source="https://www.kucoin.com/docs/websocket/spot-trading/public-channels/level2-market-data",
    read=read,
    body=body,
    url="wss://ws-api-spot.kucoin.com/",
    subscribe=('{"id":"1","type":"subscribe","topic":"/market/level2:{symbol}","response":true}',),
    rest="https://api.kucoin.com/api/v1/market/orderbook/level2_100?symbol={symbol}",
    symbol="BTC-USDT",
    depth=50,
    rest_depth=100,
    ping='{"id":"1","type":"ping"}',
)
