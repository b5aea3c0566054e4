"""Cryptofeed's raw captures: every form of a line by hand."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from calib.errors import MixedStreams, NotThisFormat, TruncatedInput
from calib.importers import Cryptofeed, Imported, Rejected, collect

WSS = b"wss://stream.binance.com:9443/stream?streams=btcusdt@depth@100ms/btcusdt@trade"
FUTURES = b"wss://fstream.binance.com/stream?streams=btcusdt@depth@100ms"
REST = b"https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000"
CONFIGURATION = b"configuration: {'channels': ['trades'], 'symbols': ['BTC-USDT']}"
SNAPSHOT = {"lastUpdateId": 7, "bids": [["1.5", "2"]], "asks": [["1.6", "3.25"]]}
DEPTH = {"e": "depthUpdate", "E": 1623456790000, "s": "BTCUSDT", "U": 8, "u": 9, "b": [["1.5", "0"]], "a": []}
TRADE = {
    "e": "trade",
    "E": 1623456790100,
    "s": "BTCUSDT",
    "t": 12,
    "p": "1.6",
    "q": "10",
    "T": 1623456790090,
    "m": True,
}


def received(ts: str, message: Any) -> bytes:
    return ts.encode() + b": " + orjson.dumps({"stream": "btcusdt@depth@100ms", "data": message})


def answered(url: bytes, ts: str, body: Any) -> bytes:
    return url + b" -> " + ts.encode() + b": " + orjson.dumps(body)


def read(path: Path, *lines: bytes) -> list[Imported | Rejected]:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return list(Cryptofeed().read(path))


def reasons(rows: list[Imported | Rejected]) -> list[tuple[int, str, bool]]:
    return [(row.line, row.reason, row.damaged) for row in rows if isinstance(row, Rejected)]


def test_a_spot_capture_with_both_clocks_and_the_snapshots_symbol_from_its_address(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "a",
        CONFIGURATION,
        WSS + b" <-> 1623456789.5",
        received("1623456789.75", DEPTH),
        answered(REST, "1623456790.125", SNAPSHOT),
        received("1623456790.25", TRADE),
    )
    assert rows == [
        Imported(
            "book",
            {
                "ts": 1623456789.75, "ts_exchange": 1623456790.0, "symbol": "BTCUSDT", "type": "delta",
                "first_update_id": 8, "update_id": 9, "prev_update_id": None, "bids": [[1.5, 0.0]], "asks": [],
            },
            3,
            "depth",
            "binance-spot",
        ),
        Imported(
            "book",
            {
                "ts": 1623456790.125, "ts_exchange": None, "symbol": "BTCUSDT", "type": "snapshot", "update_id": 7,
                "bids": [[1.5, 2.0]], "asks": [[1.6, 3.25]], "origin": "requested",
            },
            4,
            market="binance-spot",
        ),
        Imported(
            "trades",
            {
                "ts": 1623456790.25, "ts_exchange": 1623456790.09, "symbol": "BTCUSDT", "price": 1.6, "qty": 10.0,
                "side": "sell", "trade_id": "12",
            },
            5,
            "trade",
            "binance-spot",
        ),
    ]  # fmt: skip


def test_a_futures_capture_with_what_was_sent_and_aggregated_trades(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "a",
        FUTURES + b" <-> 1623456789.5",
        FUTURES + b' <- 1623456789.6: {"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}',
        b'1623456789.7: {"result":null,"id":1}',
        received("1623456789.8", {**DEPTH, "T": 1623456789999, "pu": 6}),
        answered(
            b"https://fapi.binance.com/fapi/v1/depth?symbol=BTCUSDT&limit=1000", "1623456790",
            {**SNAPSHOT, "T": 1623456790001, "E": 1623456790002},
        ),
        received("1623456790.2", {**TRADE, "e": "aggTrade", "a": 99}),
    )  # fmt: skip
    assert reasons(rows) == [(3, "no_feed", False)]
    delta, whole, trade = (row.record for row in rows if isinstance(row, Imported))
    assert (delta["ts_exchange"], delta["prev_update_id"]) == (1623456789.999, 6)
    assert (whole["ts"], whole["ts_exchange"], whole["symbol"]) == (1623456790.0, 1623456790.001, "BTCUSDT")
    assert trade["trade_id"] == "99"


def test_a_reconnect_and_a_second_session_are_counted_and_their_snapshot_is_news(tmp_path: Path) -> None:
    session = [
        CONFIGURATION,
        WSS + b" <-> 1623456789.5",
        answered(REST, "1623456789.6", SNAPSHOT),
        answered(REST, "1623456789.7", SNAPSHOT),
    ]
    rows = read(
        tmp_path / "a", *session, WSS + b" <-> 1623456800.5", answered(REST, "1623456800.6", SNAPSHOT), *session
    )
    assert reasons(rows) == [
        (4, "duplicate", False),
        (5, "reconnect", False),
        (8, "reconnect", False),
        (10, "duplicate", False),
    ]
    assert [row.line for row in rows if isinstance(row, Imported)] == [3, 6, 9]


def test_a_file_that_continues_another_begins_with_messages(tmp_path: Path) -> None:
    rows = read(tmp_path / "BINANCE-1.1", received("1623456789.75", DEPTH), WSS + b" <-> 1623456799.5")
    assert [type(row) for row in rows] == [Imported, Rejected]
    assert reasons(rows) == [(2, "reconnect", False)]


def test_spot_and_futures_of_one_name_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    rows = read(
        path,
        WSS + b" <-> 1623456789.5",
        received("1623456789.75", DEPTH),
        FUTURES + b" <-> 1623456790.5",
        received("1623456790.75", {**DEPTH, "pu": 7}),
        answered(b"https://fapi.binance.com/fapi/v1/depth?symbol=BTCUSDT", "1623456791.5", SNAPSHOT),
        received("1623456791.75", {**DEPTH, "U": 10, "u": 11}),
    )
    markets = [row.market for row in rows if isinstance(row, Imported)]
    assert markets == ["binance-spot", "binance-usdm", "binance-usdm", "binance-spot"]
    with pytest.raises(MixedStreams, match="BTCUSDT comes from binance-spot and from binance-usdm"):
        collect(Cryptofeed(), [path])
    assert collect(Cryptofeed(), [path], only="usdm").used == 2
    both = collect(Cryptofeed(), [path], symbol_suffix="@{market}")
    assert both.markets == {"BTCUSDT@binance-spot": "binance-spot", "BTCUSDT@binance-usdm": "binance-usdm"}


def test_two_symbols_keep_their_own_snapshots_and_kind_of_trade(tmp_path: Path) -> None:
    other = REST.replace(b"BTCUSDT", b"ETHUSDT")
    rows = read(
        tmp_path / "a",
        answered(REST, "1623456789.5", SNAPSHOT),
        answered(other, "1623456789.5", SNAPSHOT),
        answered(REST, "1623456789.5", SNAPSHOT),
        received("1623456789.5", TRADE),
        received("1623456789.5", {**TRADE, "e": "aggTrade", "a": 1, "s": "ETHUSDT"}),
        received("1623456789.5", {**TRADE, "e": "aggTrade", "a": 1}),
    )
    assert reasons(rows) == [(3, "duplicate", False)]
    found = collect(Cryptofeed(), [tmp_path / "a"])
    assert found.sources[0].rejected == {"duplicate": 1, "second_trade_stream": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"no line of ours", "bad_line"),
        (b"None: {}", "bad_line"),
        (WSS + b" <-> soon", "bad_line"),
        (WSS + b" <-> 1623456789.5: what", "bad_line"),
        (REST + b" -> 1623456789.5", "bad_line"),
        (b"1623456789.5", "bad_line"),
        (b'1623456789.5: {"e":', "bad_json"),
        (b"1623456789.5: 1", "bad_type"),
        (b'1623456789.5: {"e":["surprise"]}', "bad_type"),
        (b"wss://[stream <-> 1623456789.5", "bad_line"),
        (received("1623456789.5", {**DEPTH, "u": None}), "missing_field"),
    ],
)
def test_a_bad_line_is_a_reject_with_its_place_and_the_next_is_read(tmp_path: Path, text: bytes, reason: str) -> None:
    rows = read(tmp_path / "a", received("1623456789.5", DEPTH), text, received("1623456789.5", DEPTH))
    assert reasons(rows) == [(2, reason, True)]
    assert len(rows) == 3


def test_a_file_that_ends_in_the_middle_of_a_line_loses_only_that_line(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(received("1623456789.5", DEPTH) + b"\n" + received("1623456789.6", TRADE)[:-9])
    assert reasons(list(Cryptofeed().read(path))) == [(2, "bad_json", True)]


def test_a_truncated_gz_is_said_with_its_line(tmp_path: Path) -> None:
    whole = gzip.compress((received("1623456789.5", DEPTH) + b"\n") * 100, mtime=0)
    (tmp_path / "a.gz").write_bytes(whole[:-10])
    with pytest.raises(TruncatedInput, match="ends too early"):
        list(Cryptofeed().read(tmp_path / "a.gz"))


def test_a_capture_of_another_venue_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(NotThisFormat, match=r"a:2: is a capture of ws-feed.pro.coinbase.com"):
        read(tmp_path / "a", CONFIGURATION, b"wss://ws-feed.pro.coinbase.com <-> 1623456789.5")


def test_overlapping_captures_do_not_double_their_trades(tmp_path: Path) -> None:
    for name in "ab":
        read(tmp_path / name, WSS + b" <-> 1623456789.5", received("1623456789.5", TRADE))
    found = collect(Cryptofeed(), [tmp_path / "a", tmp_path / "b"])
    assert {name: len(lines) for name, lines in found.days.items()} == {"trades_20210612.jsonl": 1}
