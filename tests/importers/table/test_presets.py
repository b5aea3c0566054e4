"""Each preset on a file of its form, made by hand from the field list that it names."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run
from calib.errors import NotThisFormat
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
    "side": "buy", "execType": "M", "feeCcy": "USDT", "fee": "-10", "ts": str(MS),
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
  side TEXT, price FLOAT, average FLOAT, filled FLOAT, order_filled_date DATETIME);
INSERT INTO orders VALUES (1, 1, 'BTC/USDT', 'o1', 'closed', 'market', 'buy', 49999, 50000, 2,
  '2025-01-01 00:00:00.500000'), (2, 1, 'BTC/USDT', 'o2', 'closed', 'limit', 'sell', 50000, NULL, 2,
  '2025-01-01 00:10:00.000000'), (3, 1, 'BTC/USDT', 'o3', 'canceled', 'limit', 'sell', 50000, NULL, 0, NULL);
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


def test_a_limit_order_that_is_said_to_rest(tmp_path: Path) -> None:
    path = written("freqtrade", tmp_path)
    fills, _ = records("freqtrade", path, map=["liquidity=order_type:{limit:maker,market:taker}"])
    assert [(one["liquidity"], one["fee_bps"]) for one in fills] == [("taker", 1.0), ("maker", 5.0)]


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
