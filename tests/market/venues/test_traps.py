"""The trap of each venue, from its frames to the book that a cache serves."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Iterable

import pytest

from calib import MDCache, MDCacheConfig, VirtualClock
from calib.errors import DepthError, VenueMessageError
from calib.market.venues import (
    BINANCE_SPOT,
    BINANCE_USDM,
    BITGET,
    BITGET_CLASSIC,
    BYBIT,
    COINBASE,
    DERIBIT,
    GATE,
    HYPERLIQUID,
    KRAKEN,
    KUCOIN,
    OKX,
    Venue,
)
from calib.policy import Unmonitored
from calib.virtual_loop import run

Sides = tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]


def cache_of(venue: Venue, clock: VirtualClock | None = None, callback: object = None) -> MDCache:
    config = MDCacheConfig(enabled=True, sequence_rule=venue.sequence_rule)
    policy = Unmonitored(reason="a test")
    return MDCache(config, callback, policy=policy, checksum=venue.checksum, clock=clock)  # type: ignore[arg-type]


def book(cache: MDCache, symbol: str, depth: int = 20) -> Sides | None:
    view = cache.peek(symbol, depth)
    return None if view is None else (view.bids, view.asks)


def fed(venue: Venue, frames: Iterable[object], **options: object) -> tuple[MDCache, list[tuple[str, ...]]]:
    cache = cache_of(venue)
    return cache, [venue.feed(cache, json.dumps(frame), **options) for frame in frames]  # type: ignore[arg-type]


def bybit(kind: str, update_id: int, bids: list[list[str]], asks: list[list[str]]) -> object:
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": update_id, "seq": 1}
    return {"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": 1, "data": data}


def test_bybit_u_1_replaces_the_book_and_an_empty_book_is_a_book() -> None:
    first = bybit("snapshot", 70, [["99", "1"]], [["101", "1"]])
    cache, _ = fed(BYBIT, [first, bybit("delta", 71, [["99", "2"]], [])])
    assert book(cache, "BTCUSDT") == (((99.0, 2.0),), ((101.0, 1.0),))
    assert BYBIT.feed(cache, json.dumps(bybit("snapshot", 1, [], []))) == ()
    stream = cache.stream("BTCUSDT")
    assert stream is not None
    assert stream.live
    assert stream.book.size == (0, 0)
    BYBIT.feed(cache, json.dumps(bybit("delta", 2, [["98", "3"]], [["102", "3"]])))
    assert book(cache, "BTCUSDT") == (((98.0, 3.0),), ((102.0, 3.0),))


def test_bybit_rest_ids_of_another_numbering_never_touch_a_live_book() -> None:
    clock = VirtualClock()

    async def main() -> dict[str, int]:
        rest = 177_400_507

        async def refresh(symbol: str, depth: int) -> dict[str, object]:
            nonlocal rest
            rest += 7
            reply = {"result": {"s": symbol, "b": [["99", "1"]], "a": [["101", "1"]], "u": rest}}
            return BYBIT.body(reply, symbol, depth)

        cache = cache_of(BYBIT, clock, refresh)
        update_id = 18_521_288
        frame = bybit("snapshot", update_id, [["99", "1"]], [["101", "1"]])
        BYBIT.feed(cache, json.dumps(frame))
        for number in range(300):
            update_id += 1
            await asyncio.sleep(0.15 if number % 7 == 0 else 0.02)
            BYBIT.feed(cache, json.dumps(bybit("delta", update_id, [["99", str(number + 1)]], [])))
            _, meta = await cache.get_orderbook("BTCUSDT", 50, use_case="pricing")
            assert meta.status != "unavailable"
        stream = cache.stream("BTCUSDT")
        assert stream is not None
        assert stream.live
        await cache.close()
        return dict(stream.counts)

    counts = run(main(), clock=clock)
    assert not {"behind", "other_numbering", "ws_gap"} & {str(reason) for reason in counts}


def okx(action: str, seq: int, previous: int, bids: list[list[str]], checksum: int = 0) -> object:
    row = {"bids": bids, "asks": [["101", "1", "0", "1"]], "ts": "1", "checksum": checksum}
    arg = {"channel": "books", "instId": "BTC-USDT"}
    return {"arg": arg, "action": action, "data": [{**row, "seqId": seq, "prevSeqId": previous}]}


def test_okx_no_change_reset_and_checksum_zero_keep_the_book() -> None:
    cache, lost = fed(
        OKX,
        [
            okx("snapshot", 10, -1, [["99", "1", "0", "1"]]),
            okx("update", 15, 10, [["99", "2", "0", "1"]]),
            okx("update", 15, 15, []),  # nothing has changed
            okx("update", 3, 15, [["99", "3", "0", "1"]]),  # the numbering was reset
            okx("update", 5, 3, [["98", "4", "0", "1"]]),
        ],
    )
    assert book(cache, "BTC-USDT") == (((99.0, 3.0), (98.0, 4.0)), ((101.0, 1.0),))
    assert lost == [()] * 5
    assert OKX.feed(cache, json.dumps(okx("update", 9, 7, []))) == ("BTC-USDT",)
    assert book(cache, "BTC-USDT") is None
    assert OKX.feed(cache, json.dumps(okx("snapshot", 20, -1, [["97", "1", "0", "1"]]))) == ()
    assert book(cache, "BTC-USDT") == (((97.0, 1.0),), ((101.0, 1.0),))


def crc(asks: list[tuple[str, str]], bids: list[tuple[str, str]]) -> int:
    """Kraken's published algorithm, done here a second time."""
    text = "".join(part.replace(".", "").lstrip("0") for side in (asks, bids) for level in side for part in level)
    return zlib.crc32(text.encode())


def kraken(kind: str, bids: str, asks: str, checksum: int) -> str:
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"X/USD","bids":[{bids}],"asks":[{asks}],'
        f'"checksum":{checksum},"timestamp":"2026-01-01T00:00:00Z"}}]}}'
    )


def test_kraken_keeps_trailing_zeros_for_the_checksum_and_cuts_to_the_depth() -> None:
    cache = cache_of(KRAKEN)
    bid, asks = ("90.0", "1.50000000"), [("101.0", "1.00000000"), ("102.0", "1.0"), ("103.0", "1.0")]
    shown = ",".join(f'{{"price":{price},"qty":{qty}}}' for price, qty in asks)
    first = kraken("snapshot", '{"price":90.0,"qty":1.50000000}', shown, crc(asks, [bid]))
    assert KRAKEN.feed(cache, first, depth=3) == ()
    pushed_out = [asks[0], ("101.5", "2.0"), asks[1]]  # 103.0 leaves the depth: no removal is ever sent for it
    second = kraken("update", "", '{"price":101.5,"qty":2.0}', crc(pushed_out, [bid]))
    assert KRAKEN.feed(cache, second, depth=3) == ()
    third_asks = [asks[0], asks[1], ("104.0", "1.0")]
    third = kraken("update", "", '{"price":101.5,"qty":0},{"price":104.0,"qty":1.0}', crc(third_asks, [bid]))
    assert KRAKEN.feed(cache, third, depth=3) == ()
    assert book(cache, "X/USD", 3) == (((90.0, 1.5),), ((101.0, 1.0), (102.0, 1.0), (104.0, 1.0)))
    wrong = kraken("update", "", '{"price":102.0,"qty":7.0}', 1)
    assert KRAKEN.feed(cache, wrong, depth=3) == ("X/USD",)
    assert book(cache, "X/USD", 3) is None


def test_kraken_without_its_depth_is_an_error() -> None:
    with pytest.raises(DepthError, match="depth=N"):
        KRAKEN.feed(cache_of(KRAKEN), '{"channel":"heartbeat"}')


def coinbase(sequence: int, kind: str, price: str, qty: str) -> object:
    updates = [{"side": "bid", "price_level": price, "new_quantity": qty}]
    if kind == "snapshot":
        updates.append({"side": "offer", "price_level": "101", "new_quantity": "1"})
    event = {"type": kind, "product_id": "BTC-USD", "updates": updates}
    return {"channel": "l2_data", "sequence_num": sequence, "events": [event]}


def test_coinbase_a_missing_number_of_any_channel_makes_the_books_void() -> None:
    heartbeat = {"channel": "heartbeats", "sequence_num": 1, "events": []}
    frames = [coinbase(0, "snapshot", "99", "1"), heartbeat, coinbase(2, "update", "99", "2")]
    cache, lost = fed(COINBASE, frames)
    assert book(cache, "BTC-USD") == (((99.0, 2.0),), ((101.0, 1.0),))
    COINBASE.feed(cache, json.dumps({**heartbeat, "sequence_num": 4}))  # 3 may have been a change of the book
    assert book(cache, "BTC-USD") is None
    assert lost == [()] * 3
    assert COINBASE.feed(cache, json.dumps(coinbase(5, "update", "98", "1"))) == ("BTC-USD",)


def test_hyperliquid_each_message_is_the_whole_book() -> None:
    def frame(at_ms: int, price: str) -> object:
        levels = [[{"px": price, "sz": "1", "n": 1}], [{"px": "101", "sz": "1", "n": 1}]]
        return {"channel": "l2Book", "data": {"coin": "BTC", "time": at_ms, "levels": levels}}

    cache, _ = fed(HYPERLIQUID, [frame(5, "99"), frame(5, "98"), frame(9, "97")])
    assert book(cache, "BTC") == (((97.0, 1.0),), ((101.0, 1.0),))


def test_kucoin_price_zero_only_advances_the_id() -> None:
    def frame(first: int, last: int, bids: list[list[str]]) -> object:
        data = {"symbol": "X-USDT", "sequenceStart": first, "sequenceEnd": last, "changes": {"bids": bids, "asks": []}}
        return {"type": "message", "topic": "/market/level2:X-USDT", "data": data}

    async def main() -> Sides | None:
        async def refresh(symbol: str, depth: int) -> dict[str, object]:
            reply = {"data": {"sequence": "10", "bids": [["99", "1"]], "asks": [["101", "1"]]}}
            return KUCOIN.body(reply, symbol, depth)

        cache = cache_of(KUCOIN, clock, refresh)
        KUCOIN.feed(cache, json.dumps(frame(9, 11, [["99", "2", "11"]])))
        await asyncio.sleep(3)  # the cache fetches a snapshot of its own
        KUCOIN.feed(cache, json.dumps(frame(12, 12, [["0", "5", "12"]])))
        KUCOIN.feed(cache, json.dumps(frame(13, 13, [["98", "1", "13"]])))
        stream = cache.stream("X-USDT")
        assert stream is not None
        assert stream.last_id == 13
        await cache.close()
        return book(cache, "X-USDT", 1)

    clock = VirtualClock()
    assert run(main(), clock=clock) == (((99.0, 2.0),), ((101.0, 1.0),))


def test_gate_the_first_message_after_the_snapshot_reaches_base_plus_1() -> None:
    def frame(first: int, last: int, qty: str) -> object:
        result = {"t": 1, "s": "BTC_USDT", "U": first, "u": last, "b": [["99", qty]], "a": []}
        return {"channel": "spot.order_book_update", "event": "update", "result": result}

    async def main() -> list[int | None]:
        async def refresh(symbol: str, depth: int) -> dict[str, object]:
            return GATE.body({"id": 10, "bids": [["99", "1"]], "asks": [["101", "1"]]}, symbol, depth)

        ids = []
        for first, last in ((11, 12), (8, 12), (9, 10), (12, 13)):
            cache = cache_of(GATE, clock, refresh)
            GATE.feed(cache, json.dumps(frame(first, last, "7")))
            await asyncio.sleep(3)
            stream = cache.stream("BTC_USDT")
            assert stream is not None
            ids.append(stream.last_id)
            await cache.close()
        return ids

    clock = VirtualClock()
    # U <= base + 1 <= u twice; one that ends at the base waits for the next; one that begins beyond it is a gap.
    assert run(main(), clock=clock) == [12, 12, None, None]


def test_deribit_a_change_that_does_not_name_the_last_one_is_a_gap() -> None:
    def frame(kind: str, change_id: int, previous: int | None, bids: list[list[object]]) -> object:
        data = {
            "type": kind,
            "instrument_name": "X",
            "change_id": change_id,
            "bids": bids,
            "asks": [["new", 101.0, 1.0]],
        }
        if previous is not None:
            data["prev_change_id"] = previous
        return {"method": "subscription", "params": {"channel": "book.X.100ms", "data": data}}

    start = frame("snapshot", 5, None, [["new", 99.0, 1.0], ["new", 98.0, 1.0]])
    cache, _ = fed(DERIBIT, [start, frame("change", 9, 5, [["delete", 99.0, 0.0]])])
    assert book(cache, "X") == (((98.0, 1.0),), ((101.0, 1.0),))
    assert DERIBIT.feed(cache, json.dumps(frame("change", 12, 10, []))) == ("X",)


def test_bitget_pseq_names_the_message_before_and_the_older_feed_is_told_apart() -> None:
    def frame(action: str, seq: int, **extra: int) -> object:
        row = {"b": [["99", str(seq)]], "a": [["101", "1"]], "seq": seq, "ts": "1", **extra}
        return {"action": action, "arg": {"topic": "books", "symbol": "X"}, "data": [row]}

    cache, _ = fed(BITGET, [frame("snapshot", 5, pseq=0), frame("update", 9, pseq=5)])
    assert book(cache, "X") == (((99.0, 9.0),), ((101.0, 1.0),))
    assert BITGET.feed(cache, json.dumps(frame("update", 12, pseq=10))) == ("X",)
    with pytest.raises(VenueMessageError, match="bitget-classic"):
        BITGET.parse(json.dumps(frame("update", 13)))
    cache, _ = fed(BITGET_CLASSIC, [frame("snapshot", 5), frame("update", 900)])
    assert book(cache, "X") == (((99.0, 900.0),), ((101.0, 1.0),))
    assert BITGET_CLASSIC.feed(cache, json.dumps(frame("update", 901, checksum=1))) == ("X",)


def test_binance_partial_streams_are_whole_books_and_need_their_streams_name() -> None:
    plain = {"lastUpdateId": 7, "bids": [["99", "1"]], "asks": [["101", "1"]]}
    cache = cache_of(BINANCE_SPOT)
    BINANCE_SPOT.feed(cache, json.dumps(plain), stream="btcusdt@depth5@100ms")
    assert book(cache, "BTCUSDT", 1) == (((99.0, 1.0),), ((101.0, 1.0),))
    with pytest.raises(VenueMessageError, match="stream='btcusdt@depth20'"):
        BINANCE_SPOT.parse(json.dumps(plain))
    futures = {"e": "depthUpdate", "s": "BTCUSDT", "U": 1, "u": 9, "pu": 0, "b": [["98", "1"]], "a": [["101", "1"]]}
    cache = cache_of(BINANCE_USDM)
    for update_id, price in ((9, "98"), (30, "97")):
        data = {**futures, "u": update_id, "b": [[price, "1"]]}
        BINANCE_USDM.feed(cache, json.dumps({"stream": "btcusdt@depth10", "data": data}))
    assert book(cache, "BTCUSDT", 1) == (((97.0, 1.0),), ((101.0, 1.0),))


def test_an_error_of_the_venue_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    frame = '{"success":false,"ret_msg":"Invalid symbol","op":"subscribe"}'
    assert BYBIT.feed(cache_of(BYBIT), frame, connection="a") == ()
    assert "bybit, connection a: error: Invalid symbol" in caplog.messages


def test_a_book_frame_that_cannot_be_read_makes_the_connections_books_void() -> None:
    cache, _ = fed(BYBIT, [bybit("snapshot", 70, [["99", "1"]], [["101", "1"]])], connection="a")
    with pytest.raises(VenueMessageError, match="u: is not a whole number but missing"):
        BYBIT.feed(
            cache,
            '{"topic":"orderbook.50.BTCUSDT","type":"delta","data":{"s":"BTCUSDT","b":[],"a":[]}}',
            connection="a",
        )
    assert book(cache, "BTCUSDT") is None
