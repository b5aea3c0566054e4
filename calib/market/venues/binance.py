"""Binance: spot, USD-M futures, COIN-M futures.

**Spot**, diff. depth stream (``<symbol>@depth``): a message covers the ids ``U..u``; each ``U`` is the previous ``u``
+ 1. The one after the REST snapshot has ``U <= lastUpdateId + 1 <= u``. Rule ``range``.
https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#how-to-manage-a-local-order-book-correctly

**USD-M and COIN-M**: a message also names the last ``u`` before it, ``pu``. The first one after the REST snapshot has
``U <= lastUpdateId <= u``. Rule ``previous``.
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/How-to-manage-a-local-order-book-correctly
https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams/How-to-manage-a-local-order-book-correctly

**Partial streams** (``<symbol>@depth5``, ``10``, ``20``) send all levels of their depth each time. On spot they have no
symbol; on futures they have the same format as a diff. Only the name of the stream tells them apart: from a combined
stream's envelope, or given as ``stream``. Do not put a partial and a diff stream of one symbol on one connection name.

Times are milliseconds; spot sends microseconds on request (``timeUnit=MICROSECOND``).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from calib.market.stream.messages import Delta, Snapshot
from calib.market.venues.base import Alive, BookMessage, Json, Other, Venue, VenueEvent
from calib.market.venues.fields import answer, bad, levels, mapping, micros, rest_body, text, whole

_STREAM: Final = re.compile(r"(?P<symbol>[^@]+)@depth(?P<depth>\d{1,4})?(@\d+ms)?")


def read_spot(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a spot message.

    >>> read_spot({"e": "depthUpdate", "E": 2, "s": "BNBBTC", "U": 157, "u": 160, "b": [["0.0024", "10"]], "a": []})
    ... # doctest: +NORMALIZE_WHITESPACE
    (BookMessage(symbol='BNBBTC', message=Delta(bids=[('0.0024', '10')], asks=[], last_id=160, first_id=157,
     prev_id=None, checksum=None), depth=None, exchange_us=2000),)
    """
    return _read(message, stream, futures=False)


def read_futures(message: Json, stream: str = "") -> tuple[VenueEvent, ...]:
    """Read the events of a USD-M or COIN-M message.

    >>> data = {"e": "depthUpdate", "T": 1, "s": "BTCUSDT", "U": 157, "u": 160, "pu": 149, "b": [["7", "1"]], "a": []}
    >>> read_futures({"stream": "btcusdt@depth@100ms", "data": data})[0].message.prev_id
    149
    >>> read_futures(data, "btcusdt@depth5")[0].message
    Snapshot(bids=[('7', '1')], asks=[], update_id=160, epoch=None, checksum=None, depth=5)
    """
    return _read(message, stream, futures=True)


def body(reply: object, symbol: str, depth: int) -> dict[str, object]:
    """Read a reply of ``GET /api/v3/depth`` (spot), ``/fapi/v1/depth``, ``/dapi/v1/depth``; its id is the stream's."""
    data = answer(reply)
    return rest_body(symbol, levels(data, "bids"), levels(data, "asks"), whole(data, "lastUpdateId"), depth)


class DepthStream(NamedTuple):
    """The symbol and depth in the name of a depth stream; ``depth`` is None for a diff."""

    symbol: str
    depth: int | None


def depth_stream(name: str) -> DepthStream | None:
    """Parse the name of a depth stream; None if it does not carry the market's order book.

    >>> depth_stream("btcusdt@depth5@100ms"), depth_stream("btcusdt@depth"), depth_stream("btcusdt@rpiDepth@500ms")
    (DepthStream(symbol='BTCUSDT', depth=5), DepthStream(symbol='BTCUSDT', depth=None), None)
    """
    named = _STREAM.fullmatch(name)
    return named and DepthStream(named["symbol"].upper(), int(named["depth"]) if named["depth"] else None)


def delta(data: Json, *, futures: bool) -> BookMessage:
    """Read a ``depthUpdate`` of a diff. depth stream."""
    changes = Delta(
        levels(data, "b"),
        levels(data, "a"),
        whole(data, "u"),
        first_id=whole(data, "U"),
        prev_id=whole(data, "pu") if futures else None,
    )
    return BookMessage(text(data, "s"), changes, exchange_us=micros(data, "T", "E"))


def _read(message: Json, stream: str, *, futures: bool) -> tuple[VenueEvent, ...]:
    data = message
    if "stream" in message:
        data, stream = mapping(message, "data"), text(message, "stream")
    if "error" in message or ("code" in message and "msg" in message):
        return (Other(f"error: {message.get('error') or message.get('msg')}"),)
    if "result" in message and "id" in message:
        return (Alive(),)
    event = data.get("e")
    if event != "depthUpdate" and "lastUpdateId" not in data:
        return (Other(event if isinstance(event, str) else stream or "unknown"),)
    named = depth_stream(stream)
    if stream and named is None:
        return (Other(stream),)  # another kind of book (rpiDepth), whose levels differ
    if named is not None and named.depth:
        return (_partial(data, named.symbol, named.depth),)
    if event != "depthUpdate":
        raise bad("is of a partial book without a symbol; give the stream's name: stream='btcusdt@depth20'", "stream")
    return (delta(data, futures=futures),)


def _partial(data: Json, symbol: str, depth: int) -> BookMessage:
    spot = "lastUpdateId" in data
    bids, asks = ("bids", "asks") if spot else ("b", "a")
    update_id = whole(data, "lastUpdateId" if spot else "u")
    whole_book = Snapshot(levels(data, bids), levels(data, asks), update_id, depth=depth)
    return BookMessage(symbol, whole_book, depth, micros(data, "T", "E"))


BINANCE_SPOT: Final = Venue(
    name="binance-spot",
    title="Binance spot",
    sequence_rule="range",
    pushes_snapshots=False,
    rule="Each `U` is the previous `u` + 1; the first after the snapshot has `U` <= `lastUpdateId` + 1 <= `u`",
    source="https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams",
    read=read_spot,
    body=body,
    url="wss://stream.binance.com:9443/ws",
    subscribe=('{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1}',),
    rest="https://api.binance.com/api/v3/depth?symbol={symbol}&limit=1000",
    symbol="BTCUSDT",
    depth=50,
)
BINANCE_USDM: Final = Venue(
    name="binance-usdm",
    title="Binance USD-M futures",
    sequence_rule="previous",
    pushes_snapshots=False,
    rule="Each `pu` is the previous `u`; the first after the snapshot has `U` <= `lastUpdateId` <= `u`",
    source="https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/"
    "How-to-manage-a-local-order-book-correctly",
    read=read_futures,
    body=body,
    url="wss://fstream.binance.com/ws",
    subscribe=('{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1}',),
    rest="https://fapi.binance.com/fapi/v1/depth?symbol={symbol}&limit=1000",
    symbol="BTCUSDT",
    depth=50,
)
BINANCE_COINM: Final = Venue(
    name="binance-coinm",
    title="Binance COIN-M futures",
    sequence_rule="previous",
    pushes_snapshots=False,
    rule="Each `pu` is the previous `u`; the first after the snapshot has `U` <= `lastUpdateId` <= `u`",
    source="https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams/"
    "How-to-manage-a-local-order-book-correctly",
    read=read_futures,
    body=body,
    url="wss://dstream.binance.com/ws",
    subscribe=('{"method":"SUBSCRIBE","params":["btcusd_perp@depth@100ms"],"id":1}',),
    rest="https://dapi.binance.com/dapi/v1/depth?symbol={symbol}&limit=1000",
    symbol="BTCUSD_PERP",
    depth=50,
)
