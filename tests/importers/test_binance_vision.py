"""Binance's public files: both markets, both units of time, with and without a header, by hand on small ones."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from calib.errors import MixedStreams, NotThisFormat, TruncatedInput, UnreadableInput
from calib.importers import BinanceVision, Imported, Rejected, collect

SPOT_AGG = "10,42283.58,0.1,100,101,1704067200005,True,True\n"
SPOT_TRADE = "100,93576.0,0.5,46788.0,1735689600000123,False,True\n"
FUTURES_TRADE = "100,93576.0,0.5,46788.0,1735689600123,false\n"
BEST = "7,42314.5,1.25,42314.75,2.5,1704067200017,1704067200021\n"


def read(path: Path, content: str | bytes) -> list[Imported | Rejected]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(BinanceVision().read(path))


def zipped(*files: tuple[str, str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files:
            archive.writestr(name, text)
    return made.getvalue()


def test_an_aggregated_trade_of_a_buyer_that_rested_was_sold(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "BTCUSDT-aggTrades-2024-01-01.csv", SPOT_AGG)
    record = {
        "symbol": "BTCUSDT", "ts": 1704067200.005, "ts_exchange": 1704067200.005, "price": 42283.58, "qty": 0.1,
        "side": "sell", "trade_id": "10",
    }  # fmt: skip
    assert row == Imported("trades", record, 1, "aggTrades", "binance-spot")


@pytest.mark.parametrize(
    ("name", "text", "ts", "market"),
    [
        ("BTCUSDT-trades-2024-12-31.csv", SPOT_TRADE.replace("1735689600000123", "1735689599999"), 1735689599.999,
         "binance-spot"),
        ("BTCUSDT-trades-2025-01-01.csv", SPOT_TRADE, 1735689600.000123, "binance-spot"),
        ("BTCUSDT-trades-2025-01.csv", FUTURES_TRADE, 1735689600.123, "binance-usdm"),
    ],
    ids=["spot-ms", "spot-us", "futures-ms-still"],
)  # fmt: skip
def test_trap_times_turn_to_microseconds_in_2025_on_spot_alone(
    tmp_path: Path, name: str, text: str, ts: float, market: str
) -> None:
    (row,) = read(tmp_path / name, text)
    assert isinstance(row, Imported)
    assert (row.record["ts"], row.record["ts_exchange"], row.record["side"]) == (ts, ts, "buy")
    assert (row.stream, row.market) == ("trades", market)


@pytest.mark.parametrize(
    ("kind", "header", "text"),
    [
        ("trades", "id,price,qty,quote_qty,time,is_buyer_maker\n", FUTURES_TRADE),
        ("aggTrades", "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n",
         SPOT_AGG.replace(",True\n", "\n")),
        ("bookTicker",
         "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time\n",
         BEST),
    ],
)  # fmt: skip
def test_trap_a_header_may_be_missing(tmp_path: Path, kind: str, header: str, text: str) -> None:
    path = tmp_path / f"BTCUSDT-{kind}-2024-01-01.csv"
    (bare,) = read(path, text)
    (headed,) = read(path, header + text)
    assert isinstance(bare, Imported)
    assert headed == Imported(bare.kind, bare.record, 2, bare.stream, bare.market)


def test_best_prices_are_books_of_one_level_with_the_venues_update_id(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "BTCUSDT-bookTicker-2024-01-01.csv", BEST)
    record = {
        "symbol": "BTCUSDT", "ts": 1704067200.017, "ts_exchange": 1704067200.017, "type": "snapshot", "update_id": 7,
        "bids": [[42314.5, 1.25]], "asks": [[42314.75, 2.5]], "origin": "pushed",
    }  # fmt: skip
    assert row == Imported("book", record, 1, "bookTicker", "binance-usdm")


def test_trap_book_depth_is_no_book(tmp_path: Path) -> None:
    with pytest.raises(NotThisFormat, match=r"bookDepth is not a book.*bands") as caught:
        read(tmp_path / "BTCUSDT-bookDepth-2024-01-01.csv", "timestamp,percentage,depth,notional\n")
    assert "bookTicker" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("BTCUSDT-klines-2024-01-01.csv", SPOT_TRADE, "files of kind klines cannot be imported"),
        ("BTCUSDT-1m-2024-01-01.csv", SPOT_TRADE, "files of kind 1m cannot be imported"),
        ("trades.csv", SPOT_TRADE, "the file name does not give symbol and kind"),
        ("BTCUSDT-trades-2024-01-01.csv", "", "is not a trades file: wrong header or columns"),
        ("BTCUSDT-trades-2024-01-01.csv", "<html>,,,,,\n", "is not a trades file: wrong header or columns"),
        ("BTCUSDT-aggTrades-2024-01-01.csv", "1,2,3\n", "is not a aggTrades file: wrong header or columns"),
        ("BTCUSDT-trades-2024-01-01.zip", zipped(("a.csv", SPOT_TRADE), ("b.csv", SPOT_TRADE)), "2 files"),
    ],
)
def test_what_is_not_of_this_format_is_said(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    with pytest.raises(NotThisFormat, match=said):
        read(tmp_path / name, text)


def test_a_zip_reads_like_its_table(tmp_path: Path) -> None:
    plain = read(tmp_path / "BTCUSDT-trades-2025-01-01.csv", SPOT_TRADE)
    packed = zipped(("BTCUSDT-trades-2025-01-01.csv", SPOT_TRADE))
    assert read(tmp_path / "BTCUSDT-trades-2025-01-01.zip", packed) == plain


def test_a_zip_cut_short_or_damaged_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-trades-2025-01-01.zip"
    whole = zipped(("a.csv", SPOT_TRADE * 1_000))
    with pytest.raises(TruncatedInput, match="ends too early or is damaged"):
        read(path, whole[:-30])
    middle = len(whole) // 2
    with pytest.raises(TruncatedInput):
        read(path, whole[:60] + bytes(255 - byte for byte in whole[60:middle]) + whole[middle:])


def test_a_missing_file_is_named_whatever_it_is_called(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput):
        list(BinanceVision().read(tmp_path / "absent.zip"))


@pytest.mark.parametrize(
    ("old", "new", "reason", "field"),
    [
        ("False", "perhaps", "unknown_side", "is_buyer_maker"),
        ("93576.0", "x", "bad_type", "price"),
        ("93576.0", "9_3", "bad_type", "price"),
        ("93576.0", "0", "bad_value", "price"),
        ("93576.0", "nan", "bad_value", "price"),
        ("0.5,", "-1,", "bad_value", "qty"),
        ("0.5,", "0,", "bad_value", "qty"),
        ("1735689600000123", "1735689600", "bad_value", "time"),
        ("1735689600000123", "12:00", "bad_type", "time"),
        ("100,", "1.5,", "bad_type", "id"),
        (",True", "", "bad_csv", ""),
    ],
)
def test_a_bad_row_is_a_reject_with_its_place_and_the_next_is_read(
    tmp_path: Path, old: str, new: str, reason: str, field: str
) -> None:
    rows = read(tmp_path / "B-trades-2025-01-01.csv", SPOT_TRADE + SPOT_TRADE.replace(old, new, 1) + SPOT_TRADE)
    assert [type(row) for row in rows] == [Imported, Rejected, Imported]
    bad = rows[1]
    assert isinstance(bad, Rejected)
    assert (bad.line, bad.reason, bad.field, bad.damaged) == (2, reason, field, True)


def test_rows_out_of_order_stand_sorted_in_the_feed_and_overlapping_files_once(tmp_path: Path) -> None:
    late = SPOT_TRADE.replace("100,", "99,").replace("0123,", "0122,")
    month, day = tmp_path / "BTCUSDT-trades-2025-01.csv", tmp_path / "BTCUSDT-trades-2025-01-01.csv"
    month.write_text(SPOT_TRADE + late)
    day.write_text(SPOT_TRADE)
    found = collect(BinanceVision(), [month, day])
    (lines,) = found.days.values()
    assert [b'"trade_id":"99"' in line for line in lines] == [True, False]
    assert sum(source.rejected["duplicate"] for source in found.sources) == 1


def test_plain_and_aggregated_trades_of_one_symbol_are_not_counted_twice(tmp_path: Path) -> None:
    plain, aggregated = tmp_path / "BTCUSDT-trades-2024-01-01.csv", tmp_path / "BTCUSDT-aggTrades-2024-01-01.csv"
    plain.write_text(SPOT_TRADE)
    aggregated.write_text(SPOT_AGG)
    with pytest.raises(MixedStreams, match="BTCUSDT comes from aggTrades and from trades"):
        collect(BinanceVision(), [plain, aggregated])
    other = aggregated.rename(tmp_path / "ETHUSDT-aggTrades-2024-01-01.csv")
    assert collect(BinanceVision(), [plain, other]).used == 2
