"""Hummingbot's trade files: by hand on small ones, by a second computation on the real ones."""

from __future__ import annotations

import csv
import datetime
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from calib.errors import LockHeld, NotThisFormat, TooManyRejects, UnreadableInput, UnwritableOutput
from calib.feeds.schema.table import FILLS, Presence
from calib.files import locked
from calib.importers import HummingbotTrades, Import, Rejected, collect, store

NEW = (
    "exchange_trade_id,config_file_path,strategy,market,symbol,base_asset,quote_asset,timestamp,order_id,trade_type,"
    "order_type,price,amount,leverage,trade_fee,position,age"
)
OLD = (
    "Config File,Strategy,Exchange,Timestamp,Market,Base,Quote,Trade,Type,Price,Amount,Fee,Age,Order ID,"
    "Exchange Trade ID"
)
PERCENT = "{'fee_type': 'AddedToCost', 'percent': '0.001', 'percent_token': None, 'flat_fees': []}"


def row(**change: str) -> str:
    cells = {
        "id": "t1", "symbol": "ONE-USDT", "base": "ONE", "quote": "USDT", "ms": "1652207035500", "side": "BUY",
        "type": "LIMIT_MAKER", "price": "0.066", "amount": "300", "fee": PERCENT,
    } | change  # fmt: skip
    return (
        f"{cells['id']},c.yml,pmm,kucoin,{cells['symbol']},{cells['base']},{cells['quote']},{cells['ms']},o1,"
        f'{cells["side"]},{cells["type"]},{cells["price"]},{cells["amount"]},1,"{cells["fee"]}",NIL,00:00:03'
    )


def file(path: Path, *rows: str, header: str = NEW) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8", newline="")
    return path


def records(found: Import) -> list[dict[str, Any]]:
    return [json.loads(line) for lines in found.days.values() for line in lines]


def rejects(path: Path, **options: Any) -> list[tuple[int, str, str]]:
    told: list[tuple[int, str, str]] = []

    def on_reject(_: Path, what: Rejected) -> None:
        told.append((what.line, what.reason, what.field))

    collect(HummingbotTrades(), [path], max_reject_ratio=1.0, on_reject=on_reject, **options)
    return told


def test_a_row_of_the_newer_header(tmp_path: Path) -> None:
    (record,) = records(collect(HummingbotTrades(), [file(tmp_path / "a.csv", row())]))
    said = {"ts": 1652207035.5, "ts_iso": "2022-05-10T18:23:55.500000Z", "symbol": "ONE-USDT", "side": "buy",
            "price": 0.066, "qty": 300.0, "liquidity": "maker", "fee_bps": 10.0, "trade_id": "t1",
            "order_id": "o1"}  # fmt: skip
    unknown = [f.name for f in FILLS.fields if f.presence is Presence.WRITTEN and f.name != "ts_iso"]
    assert record == said | dict.fromkeys(unknown)


def test_a_row_of_the_older_header(tmp_path: Path) -> None:
    old = (
        "c.yml,pmm,binance,1600000000123,ETH-USDT,ETH,USDT,SELL,MARKET,400,0.5,"
        '"{""percent"": 0.0005, ""flat_fees"": [{""asset"": ""ETH"", ""amount"": 0.001}]}",n/a,o9,77'
    )
    (record,) = records(collect(HummingbotTrades(), [file(tmp_path / "a.csv", old, header=OLD)]))
    shown = {
        name: record[name] for name in ("ts", "symbol", "side", "price", "qty", "liquidity", "fee_bps", "trade_id")
    }
    # 0.0005 is 5 bps; 0.001 ETH of 0.5 ETH is 20 bps.
    assert shown == {"ts": 1600000000.123, "symbol": "ETH-USDT", "side": "sell", "price": 400.0, "qty": 0.5,
                     "liquidity": "taker", "fee_bps": 25.0, "trade_id": "77"}  # fmt: skip


@pytest.mark.parametrize(
    ("fee", "bps"),
    [
        (PERCENT, 10.0),
        ("{'percent': '-0.00025', 'flat_fees': []}", -2.5),
        ("{'percent': '0', 'flat_fees': []}", 0.0),
        ("{'percent': '0', 'flat_fees': [{'token': 'USDT', 'amount': '0.0198'}]}", 10.0),  # of 19.8
        ("{'percent': '0.001', 'flat_fees': [{'token': 'USDT', 'amount': '0.0198'}]}", 20.0),
        ("{'percent': '0', 'flat_fees': [{'token': 'ONE', 'amount': '0.3'}]}", 10.0),  # of 300
        ("{'percent': '0', 'flat_fees': [{'token': 'KCS', 'amount': '0.3'}]}", None),  # worth we know not what
        ("TradeFee(percent=0.001)", None),
        ("{'percent': 'NaN', 'flat_fees': []}", None),
        ("", None),
        ("[" * 5000, None),
    ],
)
def test_fees_become_bps_of_the_notional_or_nothing(tmp_path: Path, fee: str, bps: float | None) -> None:
    (record,) = records(collect(HummingbotTrades(), [file(tmp_path / "a.csv", row(fee=fee))]))
    assert record.get("fee_bps") == bps


@pytest.mark.parametrize(("limit_as", "used"), [("reject", []), ("maker", ["maker"]), ("taker", ["taker"])])
def test_a_plain_limit_order_is_what_the_user_says(tmp_path: Path, limit_as: Any, used: list[str]) -> None:
    found = collect(HummingbotTrades(limit_as), [file(tmp_path / "a.csv", row(type="LIMIT"))])
    assert [record["liquidity"] for record in records(found)] == used
    assert found.sources[0].rejected == Counter({} if used else {"unknown_liquidity": 1})


def test_every_row_that_gives_nothing_is_counted_with_its_line_and_reason(tmp_path: Path) -> None:
    path = file(
        tmp_path / "a.csv", row(), row(price="abc"), row(amount="-1"), row(ms="1652207035"), row(side="RANGE"),
        row(type="STOP"), row(symbol=""), row(price="1e999"), row(price="nan"), "a,b", row(type="LIMIT"), row(),
        row(id="t\udcff2".encode("utf-8", "surrogateescape").decode("latin-1")), row(id=""), row(id=""),
    )  # fmt: skip
    assert rejects(path) == [
        (3, "bad_type", "price"), (4, "bad_value", "amount"), (5, "bad_value", "timestamp"),
        (6, "no_feed", "order_type"), (7, "unknown_order_type", "order_type"), (8, "bad_value", "symbol"),
        (9, "bad_value", "price"), (10, "bad_value", "price"), (11, "bad_csv", ""),
        (12, "unknown_liquidity", "order_type"), (13, "duplicate", "trade_id"),
    ]  # fmt: skip


def test_bytes_that_are_no_text_are_a_reject(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b"\xef\xbb\xbf" + f"{NEW}\r\n{row()}\r\n\r\n".encode() + row(id="X").encode().replace(b"X", b"\xff")
    )
    assert rejects(path) == [(4, "bad_value", "trade_id")]


def test_too_many_damaged_rows_end_the_import_and_rules_do_not(tmp_path: Path) -> None:
    collect(HummingbotTrades(), [file(tmp_path / "limit.csv", *[row(type="LIMIT")] * 9)])
    with pytest.raises(TooManyRejects, match=r"bad.csv:3: 1 of 2 rows"):
        collect(HummingbotTrades(), [file(tmp_path / "bad.csv", row(), row(price="x"))])


def test_what_is_no_trade_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotThisFormat, match="lacks exchange_trade_id"):
        collect(HummingbotTrades(), [file(tmp_path / "a.csv", header="a,b,c")])
    with pytest.raises(UnreadableInput):
        collect(HummingbotTrades(), [tmp_path / "none.csv"])
    with pytest.raises(UnreadableInput):
        collect(HummingbotTrades(), [tmp_path])
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(NotThisFormat):
        collect(HummingbotTrades(), [tmp_path / "empty.csv"])


def test_overlapping_exports_do_not_double_whatever_their_order(tmp_path: Path) -> None:
    first = file(tmp_path / "a.csv", row(id="1", ms="1652207035500"), row(id="2", ms="1652207034500"))
    second = file(tmp_path / "b.csv", row(id="2", ms="1652207034500"), row(id="3", ms="1652400000000"))
    one, other = (collect(HummingbotTrades(), files) for files in ([first, second], [second, first, second]))
    assert one.days == other.days
    assert [record["trade_id"] for record in records(one)] == ["2", "1", "3"]
    assert list(one.days) == ["fills_20220510.jsonl", "fills_20220513.jsonl"]
    assert [source.rejected["duplicate"] for source in one.sources] == [0, 1]


def test_storing_again_changes_nothing_and_more_files_only_add(tmp_path: Path) -> None:
    out = tmp_path / "feeds"
    first = file(tmp_path / "a.csv", row(id="1"))
    second = file(tmp_path / "b.csv", row(id="2", ms="1652207000000"))
    one = collect(HummingbotTrades(), [first])
    both = collect(HummingbotTrades(), [first, second])
    assert store(one, out) == [(out / "fills_20220510.jsonl", True)]
    assert store(one, out) == [(out / "fills_20220510.jsonl", False)]
    assert store(both, out) == [(out / "fills_20220510.jsonl", True)]
    with pytest.raises(UnwritableOutput, match="holds lines that this import does not produce"):
        store(one, out)  # the other's line would be lost
    assert (out / "fills_20220510.jsonl").read_bytes() == b"".join(both.days["fills_20220510.jsonl"])
    assert store(one, out, replace=True) == [(out / "fills_20220510.jsonl", True)]


def test_one_foreign_day_keeps_every_day_from_being_written(tmp_path: Path) -> None:
    found = collect(HummingbotTrades(), [file(tmp_path / "a.csv", row(id="1"), row(id="2", ms="1652400000000"))])
    out = tmp_path / "feeds"
    out.mkdir()
    (out / "fills_20220513.jsonl.gz").write_bytes(b"")
    with pytest.raises(UnwritableOutput, match="compressed"):
        store(found, out)
    assert not (out / "fills_20220510.jsonl").exists()


def test_two_imports_at_once_do_not_mix(tmp_path: Path) -> None:
    found = collect(HummingbotTrades(), [file(tmp_path / "a.csv", row())])
    with locked(tmp_path / "feeds"), pytest.raises(LockHeld):
        store(found, tmp_path / "feeds")


def test_the_real_files(real_feeds: Path) -> None:
    """Counts and sums by a second computation straight from the CSV, and figures read off by hand."""
    files = sorted((real_feeds / "hummingbot").glob("*.csv"))
    found = collect(HummingbotTrades("taker"), files, symbol_suffix="@{market}")  # one file is of two markets
    assert [(source.path.name, source.rows, source.used, dict(source.rejected)) for source in found.sources] == [
        ("trades_avellaneda_2.csv", 41, 41, {}),
        ("trades_pure_mm_7.csv", 115, 115, {}),
        ("trades_xemm.csv", 18, 18, {}),
    ]
    assert {name: len(lines) for name, lines in found.days.items()} == {
        "fills_20220429.jsonl": 18, "fills_20220510.jsonl": 41, "fills_20220718.jsonl": 15, "fills_20220719.jsonl": 15,
        "fills_20220721.jsonl": 38, "fills_20220722.jsonl": 10, "fills_20220805.jsonl": 7, "fills_20220811.jsonl": 30,
    }  # fmt: skip
    rows = [line for path in files for line in csv.DictReader(path.read_text(encoding="utf-8").splitlines())]
    expected = Counter(
        (
            f"fills_{datetime.datetime.fromtimestamp(int(line['timestamp']) // 1000, datetime.UTC):%Y%m%d}.jsonl",
            f"{line['symbol']}@{line['market']}", line["trade_type"].lower(),
            line["price"].rstrip("0"), line["exchange_trade_id"],
        )
        for line in rows
    )  # fmt: skip
    got = Counter(
        (name, record["symbol"], record["side"], f"{record['price']:.10f}".rstrip("0"), record["trade_id"])
        for name, lines in found.days.items()
        for record in map(json.loads, lines)
    )
    assert {(*key[:3], float(key[3]), *key[4:]) for key in got} == {
        (*key[:3], float(key[3]), *key[4:]) for key in expected
    }
    notional = sum(float(line["price"]) * float(line["amount"]) for line in rows)
    assert sum(record["price"] * record["qty"] for record in records(found)) == pytest.approx(notional, rel=1e-12)
    assert Counter(record["liquidity"] for record in records(found)) == {"maker": 156, "taker": 18}
    fees = Counter(record["fee_bps"] for record in records(found))
    # Five flat fees in USDT: 0.05024994 / (0.8403 x 29.9) = 20 bps, 0.0222642 / (0.8246 x 15) = 18 bps, ...
    assert fees == {10.0: 169, 20.0: 1, 18.0: 4}
    assert all(record["mid_now"] is None and record["quote_price"] is None for record in records(found))
