"""Each preset on a file of its form, made by hand from the field list that it names."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run
from calib.errors import MixedStreams, NotThisFormat
from calib.importers import collect, load
from calib.importers.recognise import recognised
from calib.importers.table.chosen import preset, preset_names

MS = 1735689600500
SPOT = {
    "symbol": "BTCUSDT", "id": 28457, "orderId": 100234, "orderListId": -1, "price": "50000.00", "qty": "2.0",
    "quoteQty": "100000.00", "commission": "10", "commissionAsset": "USDT", "time": MS, "isBuyer": True,
    "isMaker": False, "isBestMatch": True,
}  # fmt: skip
FUTURES = {
    "buyer": True, "commission": "-10", "commissionAsset": "USDT", "id": 28457, "maker": True, "orderId": 100234,
    "price": "50000", "qty": "2", "quoteQty": "100000", "realizedPnl": "0", "side": "BUY", "positionSide": "BOTH",
    "symbol": "BTCUSDT", "time": MS,
}  # fmt: skip
BYBIT = {
    "symbol": "BTCUSDT", "orderId": "o1", "side": "Buy", "execFee": "10", "feeCurrency": "USDT", "execId": "e1",
    "execPrice": "50000", "execQty": "2", "execType": "Trade", "execTime": str(MS), "isMaker": False,
}  # fmt: skip
OKX = {
    "instType": "SPOT", "instId": "BTC-USDT", "tradeId": "123", "ordId": "312", "fillPx": "50000", "fillSz": "2",
    "side": "buy", "execType": "M", "feeCcy": "USDT", "fee": "-10", "ts": str(MS), "fillTime": str(MS - 2),
}  # fmt: skip
CCXT = {
    "info": {}, "id": "12345", "timestamp": MS, "datetime": "2025-01-01T00:00:00.500Z", "symbol": "BTC/USDT",
    "order": "o1", "type": "limit", "side": "buy", "takerOrMaker": "maker", "price": 50000.0, "amount": 2.0,
    "cost": 100000.0, "fee": {"cost": 10.0, "currency": "USDT", "rate": 0.0001},
}  # fmt: skip
DOCUMENTS: dict[str, Any] = {
    "binance-spot": [SPOT],
    "binance-futures": [FUTURES],
    "bybit": {"retCode": 0, "result": {"nextPageCursor": "", "list": [BYBIT, BYBIT | {"execType": "Funding"}]}},
    "okx": {"code": "0", "msg": "", "data": [OKX]},
    "ccxt": [CCXT],
}
HUMMINGBOT = """
CREATE TABLE TradeFill (market TEXT, symbol TEXT, base_asset TEXT, quote_asset TEXT, timestamp BIGINT, order_id TEXT,
  trade_type TEXT, order_type TEXT, price BIGINT, amount BIGINT, trade_fee JSON, trade_fee_in_quote BIGINT,
  exchange_trade_id TEXT);
INSERT INTO TradeFill VALUES ('binance', 'BTC-USDT', 'BTC', 'USDT', 1735689600500, 'o1', 'BUY', 'LIMIT_MAKER',
  50000000000, 2000000, '{}', 10000000, 't1'), ('binance', 'BTC-USDT', 'BTC', 'USDT', 1735689600600, 'o2', 'SELL',
  'LIMIT', 50000000000, 2000000, '{}', 10000000, 't2');
CREATE TABLE other (x TEXT);
"""
FREQTRADE = """
CREATE TABLE trades (id INTEGER, exchange TEXT, fee_open FLOAT, fee_close FLOAT, is_short BOOLEAN);
INSERT INTO trades VALUES (1, 'binance', 0.0001, 0.0005, 0);
CREATE TABLE orders (id INTEGER, ft_trade_id INTEGER, ft_pair TEXT, order_id TEXT, status TEXT, order_type TEXT,
  side TEXT, price FLOAT, average FLOAT, filled FLOAT, order_filled_date DATETIME, order_update_date DATETIME,
  ft_is_open BOOLEAN);
INSERT INTO orders VALUES (1, 1, 'BTC/USDT', 'o1', 'closed', 'market', 'buy', 49999, 50000, 2,
  '2025-01-01 00:00:00.500000', NULL, 0), (2, 1, 'BTC/USDT', 'o2', 'closed', 'limit', 'sell', 50000, NULL, 2,
  NULL, '2025-01-01 00:10:00.000000', 0), (3, 1, 'BTC/USDT', 'o3', 'canceled', 'limit', 'sell', 50000, NULL, 0, NULL,
  NULL, 0), (4, 1, 'BTC/USDT', 'o4', 'open', 'limit', 'sell', 50000, NULL, 1, NULL, '2025-01-01 00:20:00.000000', 1);
"""
DATABASES = {"hummingbot-sqlite": HUMMINGBOT, "freqtrade": FREQTRADE}


def written(name: str, directory: Path) -> Path:
    path = directory / f"{name}.export"
    if name in DOCUMENTS:
        path.write_text(json.dumps(DOCUMENTS[name]))
    else:
        with sqlite3.connect(path) as connection:
            connection.executescript(DATABASES[name])
        connection.close()
    return path


def records(name: str, path: Path, **words: Any) -> tuple[list[dict[str, Any]], dict[str, int]]:
    made: Any = load(name)
    found = collect(made(**words), [path])
    return [json.loads(line) for day in found.days.values() for line in day], dict(found.sources[0].rejected)


def test_every_preset_is_tried() -> None:
    assert {*DOCUMENTS, *DATABASES} == set(preset_names())


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_names_its_source(name: str) -> None:
    assert preset(name).source.startswith("https://")


@pytest.mark.parametrize(
    ("name", "symbol", "liquidity", "fee_bps", "rejected"),
    [
        ("binance-spot", "BTCUSDT", "taker", 1.0, {}),
        ("binance-futures", "BTCUSDT", "maker", -1.0, {}),
        ("bybit", "BTCUSDT", "taker", 1.0, {"other_rows": 1}),
        ("okx", "BTC-USDT", "maker", 1.0, {}),
        ("ccxt", "BTC/USDT", "maker", 1.0, {}),
        ("hummingbot-sqlite", "BTC-USDT", "maker", 1.0, {"not_in_mapping": 1}),
        ("freqtrade", "BTC/USDT", "taker", 1.0, {"not_in_mapping": 1}),
    ],
)
def test_a_fill_of_each(
    name: str, symbol: str, liquidity: str, fee_bps: float, rejected: dict[str, int], tmp_path: Path
) -> None:
    # 2 at 50 000 are 100 000 of notional, and a fee of 10 is 1 bps of it.
    (fill,), turned_away = records(name, written(name, tmp_path))
    shown = (fill["ts"], fill["symbol"], fill["side"], fill["price"], fill["qty"], fill["liquidity"], fill["fee_bps"])
    assert shown == (MS / 1000, symbol, "buy", 50000.0, 2.0, liquidity, fee_bps)
    assert turned_away == rejected


@pytest.mark.parametrize(("name", "row"), [("bybit", BYBIT), ("okx", OKX)])
def test_rows_without_their_answer_an_object_a_line(name: str, row: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row | {"execId": str(n), "tradeId": str(n)}) + "\n" for n in range(3)))
    assert recognised(path) == [name]
    assert [one["trade_id"] for one in records(name, path)[0]] == ["0", "1", "2"]


def test_a_limit_order_that_is_said_to_rest(tmp_path: Path) -> None:
    path = written("freqtrade", tmp_path)
    fills, _ = records("freqtrade", path, map=["liquidity=order_type:{limit:maker,market:taker}"])
    assert [(one["liquidity"], one["fee_bps"]) for one in fills] == [("taker", 1.0), ("maker", 5.0)]


def told(name: str, directory: Path, document: Any) -> tuple[list[dict[str, Any]], dict[str, int]]:
    path = directory / "told.json"
    path.write_text(json.dumps(document))
    return records(name, path)


def test_bybits_derivatives_name_no_fee_currency(tmp_path: Path) -> None:
    """As in the example of the page: the fee is feeRate times execValue, and feeCurrency is empty."""
    linear = BYBIT | {"symbol": "ETHPERP", "feeCurrency": "", "feeRate": "0.0006", "execFee": "60"}
    rebate = linear | {"execId": "e2", "feeRate": "-0.0001", "execFee": "-10", "isMaker": True}
    inverse = BYBIT | {"execId": "e3", "symbol": "BTCUSD", "feeCurrency": "", "execFee": "0.0001"}
    found, _ = told("bybit", tmp_path, {"result": {"list": [linear, rebate, inverse]}})
    assert [one.get("fee_bps") for one in found] == [6.0, -1.0, None]


def test_okxs_times_system_orders_and_options(tmp_path: Path) -> None:
    liquidation = OKX | {"tradeId": "-5", "execType": ""}
    option = OKX | {"tradeId": "6", "instId": "BTC-USD-250131-100000-C", "instType": "OPTION", "feeCcy": "BTC"}
    found, rejected = told("okx", tmp_path, {"data": [OKX, liquidation, option]})
    assert [(one["ts"], one["ts_exchange"]) for one in found] == [(MS / 1000, (MS - 2) / 1000)] * 2
    assert [one.get("fee_bps") for one in found] == [1.0, None]
    assert rejected == {"other_rows": 1}


def test_binances_times_may_be_microseconds(tmp_path: Path) -> None:
    found, _ = told("binance-spot", tmp_path, [SPOT, SPOT | {"id": 2, "time": MS * 1000 + 7}])
    assert [one["ts"] for one in found] == [MS / 1000, MS / 1000 + 7e-6]


def test_binances_futures_fee_of_a_taker_is_positive(tmp_path: Path) -> None:
    found, _ = told("binance-futures", tmp_path, [FUTURES | {"maker": False, "commission": "40"}])
    assert [one["fee_bps"] for one in found] == [4.0]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("hummingbot-sqlite", "UPDATE TradeFill SET market = 'kucoin', order_type = 'AMM_SWAP' WHERE order_id = 'o2'"),
        (
            "freqtrade",
            """INSERT INTO trades VALUES (2, 'kraken', 0, 0, 0);
            UPDATE orders SET ft_trade_id = 2, order_type = 'market' WHERE id = 2""",
        ),
    ],
)
def test_two_venues_in_one_database_are_not_mixed(name: str, change: str, tmp_path: Path) -> None:
    path = written(name, tmp_path)
    with sqlite3.connect(path) as connection:
        connection.executescript(change)
    connection.close()
    made: Any = load(name)
    with pytest.raises(MixedStreams):
        collect(made(), [path])
    chosen = collect(made(), [path], only="binance")
    assert [source.used for source in chosen.sources] == [1]
    both = collect(made(), [path], symbol_suffix="@{market}")
    lines = [json.loads(line) for day in both.days.values() for line in day]
    assert [one["symbol"].partition("@")[2] for one in lines] == ["binance", "kucoin" if "humm" in name else "kraken"]
    assert lines[1]["liquidity"] == "taker"


def test_contracts_have_no_fee_of_a_notional_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "okx.json"
    path.write_text(json.dumps({"data": [OKX | {"instId": "BTC-USDT-SWAP"}]}))
    made: Any = load("okx")
    importer = made()
    (found,) = importer.read(path)
    assert "fee_bps" not in found.record
    assert "numbers of contracts" in " ".join(importer.remarks())


@pytest.mark.parametrize("name", preset_names())
def test_another_form_is_refused_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps([{"a": 1}]))
    with pytest.raises(NotThisFormat):
        records(name, path)


@pytest.mark.parametrize("name", preset_names())
def test_a_file_names_its_preset(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(name, tmp_path)
    assert recognised(path) == [name]
    assert run(["import", "guess", str(path)]) == 0
    assert f"calib import {name} {path}" in capsys.readouterr().out
    other = "tardis" if name != "tardis" else "okx"
    assert run(["import", other, str(path), "--out", str(tmp_path / "feeds")]) == 3
    assert f"Use calib import {name} {path}" in capsys.readouterr().err


def test_presets_are_listed_a_name_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "presets"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(preset_names())
    assert run(["import"]) == 0
    listed = {line.split(" ")[0] for line in capsys.readouterr().out.splitlines()}
    assert {*preset_names(), "table", "tardis", "hummingbot"} <= listed


@pytest.mark.parametrize(("padding", "names"), [(1 << 10, ["okx"]), (1 << 20, [])])
def test_a_form_is_known_by_the_beginning_of_a_file(padding: int, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text(json.dumps({"other": [[1]] * (padding // 5), "data": [OKX]}))
    assert recognised(path) == names
    assert len(records("okx", path)[0]) == 1
