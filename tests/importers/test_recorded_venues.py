"""Recordings of Bybit and Hyperliquid, read by the files of `calib.market.venues`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from calib.cli.main import run
from calib.importers.base import Imported, Rejected
from calib.importers.formats.hftbacktest_collector import HftbacktestCollector

NS = 1735689600_000_000_000
TS = 1735689600.0


def recording(path: Path, *messages: Any) -> Path:
    lines = [b"%d %s\n" % (NS + number * 10**9, orjson.dumps(message)) for number, message in enumerate(messages)]
    path.write_bytes(b"".join(lines))
    return path


def bybit(depth: int, kind: str, update_id: int, bids: list[list[str]], asks: list[list[str]]) -> dict[str, Any]:
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": update_id, "seq": 1}
    topic = f"orderbook.{depth}.BTCUSDT"
    return {"topic": topic, "type": kind, "ts": 1735689599_900, "data": data, "cts": 1735689599_800}


def trade(price: str, side: str, trade_id: str) -> dict[str, Any]:
    return {"T": 1735689599_700, "s": "BTCUSDT", "S": side, "v": "0.5", "p": price, "i": trade_id, "BT": False}


def trades(*each: object) -> dict[str, Any]:
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": list(each)}


BYBIT = (
    {"success": True, "ret_msg": "", "op": "subscribe"},
    bybit(50, "snapshot", 70, [["99", "1"]], [["101", "2"]]),
    bybit(1, "snapshot", 900, [["99", "1"]], [["101", "2"]]),
    bybit(50, "delta", 71, [["99", "0"], ["98", "3"]], []),
    trades(trade("101", "Buy", "b"), trade("100.5", "Sell", "a"), {"s": "BTCUSDT"}),
    bybit(50, "delta", 1, [["97", "1"]], [["102", "1"]]),
)


def test_a_bybit_recording(tmp_path: Path) -> None:
    rows = list(HftbacktestCollector().read(recording(tmp_path / "btcusdt_20250101", *BYBIT)))
    records = [row for row in rows if isinstance(row, Imported)]
    rejects = [row for row in rows if isinstance(row, Rejected)]
    assert records[0] == Imported(
        "book",
        {
            "ts": TS + 1, "ts_exchange": 1735689599.8, "symbol": "BTCUSDT", "bids": [[99.0, 1.0]],
            "asks": [[101.0, 2.0]], "type": "snapshot", "update_id": 70, "origin": "pushed",
        },
        2, "depth50", "bybit",
    )  # fmt: skip
    assert records[1].record | {"ts": 0} == {
        "ts": 0, "ts_exchange": 1735689599.8, "symbol": "BTCUSDT", "bids": [[99.0, 0.0], [98.0, 3.0]], "asks": [],
        "type": "delta", "first_update_id": None, "update_id": 71, "prev_update_id": None,
    }  # fmt: skip
    assert [(row.line, row.part, row.record["price"], row.record["side"]) for row in records[2:4]] == [
        (5, 0, 101.0, "buy"),
        (5, 1, 100.5, "sell"),
    ]
    assert (records[4].record["type"], records[4].record["update_id"]) == ("snapshot", 1)
    assert [(row.line, row.reason, row.damaged) for row in rejects] == [
        (1, "no_feed", False), (3, "no_feed", False), (5, "missing_field", True)
    ]  # fmt: skip


def test_a_hyperliquid_recording(tmp_path: Path) -> None:
    levels = [[{"px": "99", "sz": "1", "n": 2}], [{"px": "101", "sz": "2", "n": 1}]]
    book = {"channel": "l2Book", "data": {"coin": "BTC", "time": 1735689599_500, "levels": levels}}
    each = {"coin": "BTC", "side": "A", "px": "99", "sz": "0.25", "time": 1735689599_400, "hash": "0x", "tid": 12}
    path = recording(tmp_path / "btc_20250101", {"channel": "pong"}, book, {"channel": "trades", "data": [each]})
    reject, first, second = HftbacktestCollector().read(path)
    assert isinstance(reject, Rejected)
    assert first == Imported(
        "book",
        {
            "ts": TS + 1, "ts_exchange": 1735689599.5, "symbol": "BTC", "bids": [[99.0, 1.0]], "asks": [[101.0, 2.0]],
            "type": "snapshot", "update_id": 1735689599500, "origin": "pushed",
        },
        2, "depth20", "hyperliquid",
    )  # fmt: skip
    assert second == Imported(
        "trades",
        {
            "ts": TS + 2, "ts_exchange": 1735689599.4, "symbol": "BTC", "price": 99.0, "qty": 0.25, "side": "sell",
            "trade_id": "12",
        },
        3, "trade", "hyperliquid",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"topic": "orderbook.50.BTCUSDT", "type": "delta", "data": {"s": "X", "b": [], "a": []}}, "missing_field"),
        (bybit(50, "delta", 72, [["1_0", "1"]], []), "bad_type"),
        (bybit(50, "delta", 72, [["x", "1"]], []), "bad_type"),
        ({**trades(), "data": None}, "missing_field"),
        (trades(7), "bad_value"),
        (trades({**trade("1", "Buy", "c"), "S": "Hold"}), "bad_value"),
        (trades({**trade("1", "Buy", "c"), "T": "1"}), "bad_type"),
        (trades({**trade("1", "Buy", "c"), "s": ""}), "no_symbol"),
    ],
)
def test_a_broken_message_is_a_reject(tmp_path: Path, message: Any, reason: str) -> None:
    rows = list(HftbacktestCollector().read(recording(tmp_path / "x_20250101", BYBIT[1], message)))
    assert isinstance(rows[1], Rejected)
    assert (rows[1].line, rows[1].reason, rows[1].damaged) == (2, reason, True)


def test_trades_of_one_message_keep_their_order_and_a_repeat_is_told_apart(tmp_path: Path) -> None:
    path = recording(
        tmp_path / "btcusdt_20250101", *BYBIT[:4], trades(trade("101", "Buy", "b"), trade("100.5", "Sell", "a")),
        trades(trade("101", "Buy", "b"), trade("102", "Buy", "c")),
    )  # fmt: skip
    out = tmp_path / "feeds"
    assert run(["import", "hftbacktest-collector", str(path), "--out", str(out)]) == 0
    (day,) = out.rglob("*trades*2025*")
    lines = [orjson.loads(line) for line in day.read_bytes().splitlines()]
    assert [line["trade_id"] for line in lines] == ["b", "a", "c"]


def test_two_depths_of_one_symbol_are_chosen_between(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recording(tmp_path / "x_20250101", *BYBIT, bybit(500, "snapshot", 5, [["99", "1"]], [["101", "2"]]))
    command = [
        "import",
        "hftbacktest-collector",
        str(path),
        "--out",
        str(tmp_path / "feeds"),
        "--max-reject-ratio",
        "1",
    ]
    assert run(command) == 3
    assert "--only" in capsys.readouterr().err
    assert run([*command, "--only", "depth50"]) == 0
