"""``calib import`` as its user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calib.cli.main import run

NEW = (
    "exchange_trade_id,config_file_path,strategy,market,symbol,base_asset,quote_asset,timestamp,order_id,trade_type,"
    "order_type,price,amount,leverage,trade_fee,position,age\n"
)
MAKER = 't1,c,s,kucoin,ONE-USDT,ONE,USDT,1652207035500,o1,BUY,LIMIT_MAKER,0.5,300,1,"{}",NIL,0\n'
LIMIT = MAKER.replace("t1", "t2").replace("LIMIT_MAKER", "LIMIT")


@pytest.fixture
def trades(tmp_path: Path) -> Path:
    path = tmp_path / "trades_x.csv"
    path.write_text(NEW + MAKER + LIMIT)
    return path


def test_the_result_names_files_counts_and_rejects(
    tmp_path: Path, trades: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "feeds"
    assert run(["import", "hummingbot", str(trades), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == (
        f"{out}/fills_20220510.jsonl  1 line\n"
        f"{trades}: 2 rows, 1 imported; rejected: 1 unknown_liquidity (first at line 3)\n"
    )
    assert "may have rested or crossed, choose with --limit-as" in said.err
    assert run(["import", "hummingbot", str(trades), "--out", str(out), "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_as_json(tmp_path: Path, trades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "feeds"
    argv = ["import", "hummingbot", str(trades), "--out", str(out), "--limit-as", "maker", "--output", "json"]
    assert run(argv) == 0
    envelope = json.loads(capsys.readouterr().out)
    assert envelope["data"] == {
        "sources": [{"file": str(trades), "rows": 2, "used": 2, "rejected": {}, "trade_id_conflicts": 0}],
        "written": [{"file": str(out / "fills_20220510.jsonl"), "lines": 2, "changed": True}],
        "markets": {"ONE-USDT": "kucoin"},
        "books_never_known": [],
    }


def test_the_configuration_may_say_what_a_limit_order_was(
    tmp_path: Path, trades: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALIB_IMPORT_LIMIT_AS", "taker")
    assert run(["import", "hummingbot", str(trades), "--out", str(tmp_path / "feeds")]) == 0
    assert len((tmp_path / "feeds" / "fills_20220510.jsonl").read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "code", "name"),
    [
        (NEW + LIMIT, 1, "no row could be converted to a record"),
        ("something else\n", 3, "not-this-format"),
        (NEW + MAKER + MAKER.replace("0.5", "x"), 3, "too-many-rejects"),
    ],
)
def test_what_gives_nothing_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, code: int, name: str
) -> None:
    path = tmp_path / "trades_x.csv"
    path.write_text(content)
    assert run(["import", "hummingbot", str(path), "--out", str(tmp_path / "feeds")]) == code
    assert name in capsys.readouterr().err


def test_a_foreign_day_is_not_clobbered(tmp_path: Path, trades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "feeds"
    out.mkdir()
    (out / "fills_20220510.jsonl").write_text('{"live": true}\n')
    assert run(["import", "hummingbot", str(trades), "--out", str(out)]) == 2
    assert "unwritable-output" in capsys.readouterr().err
    assert (out / "fills_20220510.jsonl").read_text() == '{"live": true}\n'
    assert run(["import", "hummingbot", str(trades), "--out", str(out), "--replace"]) == 0


def test_the_collectors_recording_becomes_book_and_trades(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, out = tmp_path / "nexousdt_20240723.dat", tmp_path / "feeds"
    recording.write_text(
        '1721749182850494 {"lastUpdateId":7,"bids":[["1.5","2"]],"asks":[["1.6","3.25"]]}\n'
        '1721749183850494 {"e":"trade","s":"NEXOUSDT","t":12,"p":"1.6","q":"10","T":1721749183040,"m":false}\n'
        '1721749183850494 {"u":9,"s":"NEXOUSDT","b":"1.4","B":"1","a":"1.6","A":"2"}\n'
    )
    assert run(["import", "hftbacktest-collector", str(recording), "--out", str(out)]) == 0
    assert capsys.readouterr().out == (
        f"{out}/book_20240723.jsonl  1 line\n"
        f"{out}/trades_20240723.jsonl  1 line\n"
        f"{recording}: 3 rows, 2 imported; rejected: 1 no_feed (first at line 3)\n"
    )
    book = json.loads((out / "book_20240723.jsonl").read_bytes())
    assert (book["symbol"], book["update_id"], book["bids"]) == ("NEXOUSDT", 7, [[1.5, 2.0]])
    trade = json.loads((out / "trades_20240723.jsonl").read_bytes())
    assert (trade["side"], trade["ts"], trade["ts_exchange"]) == ("buy", 1721749183.850494, 1721749183.04)


def test_a_real_recording_is_imported_whole_and_twice_the_same(
    tmp_path: Path, real_feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording, out = real_feeds / "hftbacktest_collector" / "spot" / "nexousdt_20240723.dat", tmp_path / "feeds"
    argv = ["import", "hftbacktest-collector", str(recording), "--out", str(out), "--output", "json"]
    assert run(argv) == 0
    first = json.loads(capsys.readouterr().out)["data"]
    text = recording.read_bytes()
    counted = {"depth": text.count(b'"depthUpdate"') + 1, "trade": text.count(b'"e":"trade"')}
    assert {Path(item["file"]).name[:5]: item["lines"] for item in first["written"]} == {
        "book_": counted["depth"],
        "trade": counted["trade"],
    }
    assert first["sources"][0]["rows"] == text.count(b"\n")
    assert run(argv) == 0
    assert not any(item["changed"] for item in json.loads(capsys.readouterr().out)["data"]["written"])


def test_tardis_tables_become_feeds_that_the_check_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, out = tmp_path / "deribit_incremental_book_L2_2020-04-01_X.csv", tmp_path / "feeds"
    table.write_text(
        "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
        "deribit,X,1585699199999000,1585699200000050,false,bid,9,1\n"
        "deribit,X,1585699200000000,1585699200000100,true,bid,10,1\n"
        "deribit,X,1585699200000000,1585699200000100,true,ask,11,2\n"
        "deribit,X,1585699200000000,1585699200000200,false,ask,11,0\n"
    )
    assert run(["import", "tardis", str(table), "--out", str(out)]) == 0
    assert capsys.readouterr().out == (
        f"{out}/book_20200401.jsonl  2 lines\n"
        f"{table}: 3 rows, 2 imported; rejected: 1 before_snapshot (first at line 2)\n"
    )
    books = [json.loads(line) for line in (out / "book_20200401.jsonl").read_bytes().splitlines()]
    assert [(book["ts"], book["ts_exchange"], book["type"]) for book in books] == [
        (1585699200.0001, 1585699200.0, "snapshot"),
        (1585699200.0002, 1585699200.0, "delta"),
    ]
    assert books[1]["update_id"] == books[0]["update_id"] + 1
    assert run(["check", "--feeds", str(out)]) == 0


def test_binances_files_become_trades_and_its_depth_bands_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = tmp_path / "BTCUSDT-trades-2025-01-01.csv", tmp_path / "feeds"
    table.write_text("1,93576.0,0.5,46788.0,1735689600000123,True,True\n")
    assert run(["import", "binance-vision", str(table), "--out", str(out)]) == 0
    (trade,) = map(json.loads, (out / "trades_20250101.jsonl").read_bytes().splitlines())
    assert (trade["ts"], trade["side"], trade["trade_id"]) == (1735689600.000123, "sell", "1")
    assert run(["check", "--feeds", str(out)]) == 0
    bands = table.rename(tmp_path / "BTCUSDT-bookDepth-2025-01-01.csv")
    capsys.readouterr()
    assert run(["import", "binance-vision", str(bands), "--out", str(out)]) == 3
    assert "bookDepth is not a book" in capsys.readouterr().err


def test_an_npz_file_and_the_market_that_its_name_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, out = tmp_path / "day.npz", tmp_path / "feeds"
    ns = 1_721_749_183_000_000_000
    np.savez(recording, data=np.array([[2, ns, ns, 1, 1.5, 2.0], [5, ns, ns, 1, 1.5, 2.0]]))
    argv = ["import", "hftbacktest-npz", str(recording), "--out", str(out)]
    assert run(argv) == 2
    assert "--symbol" in capsys.readouterr().err
    assert run([*argv, "--symbol", "NEXOUSDT"]) == 0
    assert capsys.readouterr().out == (
        f"{out}/trades_20240723.jsonl  1 line\n{recording}: 2 rows, 1 imported; rejected: 1 no_feed (first at line 2)\n"
    )


def test_a_cryptofeed_capture_says_where_it_was_interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, out = tmp_path / "BINANCE-1.0", tmp_path / "feeds"
    connect = "wss://stream.binance.com:9443/stream?streams=nexousdt@trade <-> 1721749183.5\n"
    recording.write_text(
        connect
        + '1721749183.75: {"e":"trade","s":"NEXOUSDT","t":1,"p":"1.6","q":"10","T":1721749183040,"m":false}\n'
        + connect
    )
    assert run(["import", "cryptofeed", str(recording), "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert shown.out == (
        f"{out}/trades_20240723.jsonl  1 line\n"
        f"{recording}: 2 rows, 1 imported; rejected: 1 reconnect (first at line 3)\n"
    )
    assert "interrupted" in shown.err
