"""hftbacktest's .npz files, made by hand row by row; the records are written out here, not computed."""

from __future__ import annotations

import tracemalloc
import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calib.errors import NotThisFormat, TruncatedInput, UsageError
from calib.importers.base import Imported, Rejected
from calib.importers.formats.hftbacktest_collector import HftbacktestCollector
from calib.importers.formats.hftbacktest_npz import HftbacktestNpz
from calib.importers.npz import ROWS
from calib.market import BookStream, Connection, Delta, Snapshot, StreamSettings

EVENT = np.dtype(
    [("ev", "u8"), ("exch_ts", "i8"), ("local_ts", "i8"), ("px", "f8"), ("qty", "f8"), ("order_id", "u8"),
     ("ival", "i8"), ("fval", "f8")]
)  # fmt: skip
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
BOTH = EXCH | LOCAL
DEPTH, TRADE, CLEAR, SNAPSHOT, BBO = 1, 2, 3, 4, 5
NS = 1_723_161_255_000_000_000
TS = 1_723_161_255.0


def row(event: int, exch: int, local: int, px: float, qty: float) -> tuple[Any, ...]:
    """Times in microseconds after NS."""
    return event, NS + exch * 1_000, NS + local * 1_000, px, qty, 0, 0, 0.0


def snapshot(at: int) -> list[tuple[Any, ...]]:
    return [
        row(CLEAR | BOTH | BUY, at, at, 9.0, 0),
        row(SNAPSHOT | BOTH | BUY, at, at, 10.0, 1),
        row(SNAPSHOT | BOTH | BUY, at, at, 9.0, 2),
        row(CLEAR | BOTH | SELL, at, at, 12.0, 0),
        row(SNAPSHOT | BOTH | SELL, at, at, 11.0, 3),
    ]


def save(path: Path, rows: list[tuple[Any, ...]], **more: Any) -> Path:
    np.savez_compressed(path, data=np.array(rows, EVENT), **more)
    return path


def read(path: Path, symbol: str | None = None) -> list[Imported | Rejected]:
    return list(HftbacktestNpz(symbol).read(path))


def ids(rows: list[Imported | Rejected]) -> list[int]:
    return [row.record["update_id"] for row in rows if isinstance(row, Imported) and row.kind == "book"]


def test_rows_of_one_message_become_one_record_and_both_clocks_stay(tmp_path: Path) -> None:
    rows = read(
        save(
            tmp_path / "btcusdt_20240808.npz",
            [
                *snapshot(0),
                row(DEPTH | BOTH | BUY, 5, 8, 10.0, 0),
                row(DEPTH | BOTH | SELL, 5, 8, 10.5, 4),
                row(DEPTH | BOTH | SELL, 9, 8, 10.5, 5),  # the exchange's clock is ahead
                row(TRADE | BOTH | SELL, 20, 30, 9.0, 0.5),
            ],
        )
    )
    first = 1_723_161_255_000_000
    book: dict[str, Any] = {"symbol": "BTCUSDT", "type": "delta"}
    assert rows == [
        Imported(
            "book",
            {
                "ts": TS, "ts_exchange": TS, "symbol": "BTCUSDT", "type": "snapshot", "first_update_id": None,
                "update_id": first, "bids": [[10.0, 1.0], [9.0, 2.0]], "asks": [[11.0, 3.0]],
                "origin": "pushed",
            },
            1,
        ),
        Imported(
            "book",
            book | {
                "ts": TS + 8e-6, "ts_exchange": TS + 5e-6, "first_update_id": first + 1, "update_id": first + 1,
                "bids": [[10.0, 0.0]], "asks": [[10.5, 4.0]],
            },
            6,
        ),
        Imported(
            "book",
            book | {
                "ts": TS + 8e-6, "ts_exchange": TS + 9e-6, "first_update_id": first + 2, "update_id": first + 2,
                "bids": [], "asks": [[10.5, 5.0]],
            },
            8,
        ),
        Imported(
            "trades",
            {
                "ts": TS + 30e-6, "ts_exchange": TS + 20e-6, "symbol": "BTCUSDT", "price": 9.0, "qty": 0.5,
                "side": "sell",
            },
            9,
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(("unit", "layout"), [(1_000, "C"), (1, "C"), (1, "F")], ids=["us", "ns", "by-column"])
def test_the_older_layout_in_either_unit_and_order(tmp_path: Path, unit: int, layout: Any) -> None:
    at = [(NS + after * 1_000) // unit for after in range(5)]
    rows = [
        [4, at[0], at[0], 1, 10.0, 1.0],
        [4, at[0], at[0], -1, 11.0, 1.0],
        [1, at[1], -1, 1, 10.0, 5.0],  # for the simulated exchange alone
        [1, -1, at[2], 1, 10.0, 5.0],  # for the receiver alone: the exchange's time is not told
        [2, at[3], at[4], 1, 11.0, 2.0],
    ]
    np.savez(tmp_path / "x.npz", data=np.array(rows, order=layout))
    got = read(tmp_path / "x.npz", "ETHUSDT")
    assert [(type(row), row.line) for row in got] == [(Imported, 1), (Rejected, 3), (Imported, 4), (Imported, 5)]
    whole, skipped, delta, trade = got
    assert isinstance(skipped, Rejected)
    assert (skipped.reason, skipped.damaged) == ("exchange_only", False)
    assert isinstance(delta, Imported)
    assert delta.record["ts"] == pytest.approx(TS + 2e-6, abs=3e-7)  # 256 ns is all a double tells
    assert (delta.record["ts_exchange"], delta.record["bids"]) == (None, [[10.0, 5.0]])
    assert isinstance(trade, Imported)
    assert (trade.record["side"], trade.record["price"], trade.record["symbol"]) == ("buy", 11.0, "ETHUSDT")
    assert isinstance(whole, Imported)
    assert ids(got) == [whole.record["update_id"], whole.record["update_id"] + 1]


def test_rows_for_the_exchange_alone_do_not_break_a_message_nor_count_as_lost(tmp_path: Path) -> None:
    rows = read(
        save(
            tmp_path / "a_20240808.npz",
            [
                *snapshot(0),
                row(DEPTH | LOCAL | BUY, 1, 2, 10.0, 7),
                row(DEPTH | EXCH | BUY, 9, 9, 10.0, 8),
                row(DEPTH | LOCAL | SELL, 1, 2, 11.0, 9),
            ],
        )
    )
    assert [(type(row), row.line) for row in rows] == [(Imported, 1), (Imported, 6), (Rejected, 7)]
    assert isinstance(rows[1], Imported)
    assert (rows[1].record["bids"], rows[1].record["asks"]) == ([[10.0, 7.0]], [[11.0, 9.0]])
    assert np.diff(ids(rows)).tolist() == [1]


@pytest.mark.parametrize(
    ("bad", "reason", "field", "damaged", "lost"),
    [
        (row(99 | BOTH | BUY, 2, 2, 10, 1), "unknown_event", "ev", True, False),
        (row(0 | BOTH | BUY, 2, 2, 10, 1), "unknown_event", "ev", True, False),
        (row(BBO | BOTH | BUY, 2, 2, 10, 1), "no_feed", "ev", False, False),
        (row(10 | BOTH | BUY, 2, 2, 10, 1), "no_feed", "ev", False, False),
        (row(DEPTH | BOTH, 2, 2, 10, 1), "no_side", "ev", True, True),
        (row(DEPTH | BOTH | BUY | SELL, 2, 2, 10, 1), "no_side", "ev", True, True),
        (row(DEPTH | BOTH | BUY, 2, 2, float("nan"), 1), "bad_value", "px", True, True),
        (row(DEPTH | BOTH | BUY, 2, 2, 10, -1), "bad_value", "qty", True, True),
        (row(TRADE | BOTH | BUY, 2, 2, 10, 0), "bad_value", "qty", True, False),
        ((DEPTH | BOTH | BUY, 5, 5, 10.0, 1.0, 0, 0, 0.0), "bad_value", "local_ts", True, True),
        (row(SNAPSHOT | BOTH | BUY, 2, 2, 10, 1), "incomplete_snapshot", "ev", False, True),
        (row(CLEAR | BOTH | BUY, 2, 2, 10, 1), "incomplete_snapshot", "ev", False, True),
    ],
)
def test_a_row_that_gives_nothing_is_counted_and_a_lost_change_leaves_a_gap(
    tmp_path: Path, bad: tuple[Any, ...], reason: str, field: str, damaged: bool, lost: bool
) -> None:
    after = row(DEPTH | BOTH | BUY, 3, 3, 10.0, 5)
    rows = read(save(tmp_path / "a_20240808.npz", [*snapshot(0), bad, after]))
    refused = rows[1]
    assert isinstance(refused, Rejected)
    assert (refused.line, refused.reason, refused.field, refused.damaged) == (6, reason, field, damaged)
    assert np.diff(ids(rows)).tolist() == [2 if lost else 1]


def test_a_snapshot_with_a_damaged_level_is_not_taken_for_whole(tmp_path: Path) -> None:
    levels = snapshot(0)
    levels.insert(2, row(SNAPSHOT | BOTH | BUY, 0, 0, 0.0, 1))
    rows = read(save(tmp_path / "a_20240808.npz", levels))
    assert [(row.line, row.reason) for row in rows if isinstance(row, Rejected)] == [
        (1, "incomplete_snapshot"),
        (3, "bad_value"),
    ]
    assert len(rows) == 2


@pytest.mark.parametrize("rule", ["contiguous", "range"])
def test_the_stream_follows_our_ids_and_stops_at_a_lost_change(tmp_path: Path, rule: Any) -> None:
    rows = read(
        save(
            tmp_path / "a_20240808.npz",
            [
                *snapshot(0),
                row(DEPTH | BOTH | BUY, 1, 1, 10.0, 5),
                row(DEPTH | BOTH | SELL, 2, 2, 10.5, 5),
                row(DEPTH | BOTH | SELL, 3, 3, 10.5, -5),
                row(DEPTH | BOTH | SELL, 4, 4, 10.7, 5),
            ],
        )
    )
    connection = Connection("a", silence_ns=10**9)
    stream = BookStream("A", connection, random=lambda: 0.0, settings=StreamSettings(rule))
    stream.connect(0)
    bests = []
    for item in rows:
        if isinstance(item, Imported):
            book = item.record
            if book["type"] == "snapshot":
                stream.on_snapshot(Snapshot(book["bids"], book["asks"], book["update_id"], stream.epoch), 0)
            else:
                stream.on_delta(Delta(book["bids"], book["asks"], book["update_id"], book["first_update_id"], None), 0)
            view = stream.view(1)
            bests.append(None if view is None else (view.bids[0], view.asks[0]))
    # The stream serves nothing until a delta has followed the snapshot, and nothing after the gap.
    assert bests == [None, ((10.0, 5.0), (11.0, 3.0)), ((10.0, 5.0), (10.5, 5.0)), None]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (np.zeros(3, [("ev", "f8"), ("exch_ts", "i8"), ("px", "f8"), ("qty", "f8")]), "ev, local_ts"),
        (np.zeros(3, [(name, "u1" if name == "ev" else EVENT[name]) for name in EVENT.names or ()]), "ev is missing"),
        (np.zeros((3, 5)), "not a layout of hftbacktest"),
        (np.zeros((3, 6), "f4"), "not a layout of hftbacktest"),
        (np.zeros(3), "not a layout of hftbacktest"),
        (np.array([{}], object), "Python objects"),
    ],
)
def test_another_dtype_is_refused_with_its_name(tmp_path: Path, data: Any, what: str) -> None:
    np.savez(tmp_path / "a_20240808.npz", data=data)
    with pytest.raises(NotThisFormat, match=what):
        read(tmp_path / "a_20240808.npz")


def test_a_file_without_the_key_says_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "a_20240808.npz", book=np.zeros(1))
    with pytest.raises(NotThisFormat, match="no array 'data'; its arrays: book"):
        read(tmp_path / "a_20240808.npz")


def test_an_empty_array_gives_nothing(tmp_path: Path) -> None:
    assert read(save(tmp_path / "a_20240808.npz", [])) == []


def test_a_file_cut_off_anywhere_is_truncated_not_short(tmp_path: Path) -> None:
    path = save(tmp_path / "a_20240808.npz", snapshot(0))
    whole = path.read_bytes()
    for size in (4, 100, len(whole) - 10):
        path.write_bytes(whole[:size])
        with pytest.raises(TruncatedInput):
            read(path)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_damaged_row_is_seen_by_the_checksum(tmp_path: Path, order: Any) -> None:
    path = tmp_path / "a_20240808.npz"
    data = np.array([[2, NS, NS, 1, 10.0, 1.0], [2, NS, NS, 1, 11.0, 1.0], [2, NS, NS, 1, 10.0, 1.0]], order=order)
    np.savez(path, data=data)
    whole = bytearray(path.read_bytes())
    place = bytes(whole).index(np.float64(11.0).tobytes())
    whole[place] ^= 1
    path.write_bytes(whole)
    with pytest.raises(TruncatedInput):
        read(path)


def test_an_array_shorter_than_its_header_says_is_truncated(tmp_path: Path) -> None:
    path = save(tmp_path / "whole.npz", snapshot(0))
    with zipfile.ZipFile(path) as archive:
        member = archive.read("data.npy")
    with zipfile.ZipFile(tmp_path / "a_20240808.npz", "w") as archive:
        archive.writestr("data.npy", member[:-1])
    with pytest.raises(TruncatedInput, match="fewer rows"):
        read(tmp_path / "a_20240808.npz")


def test_a_member_that_is_no_array_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a_20240808.npz", "w") as archive:
        archive.writestr("data.npy", "ts,price\n1,2\n")
    with pytest.raises(NotThisFormat, match="cannot be read"):
        read(tmp_path / "a_20240808.npz")


def test_the_market_must_be_named_somewhere(tmp_path: Path) -> None:
    path = save(tmp_path / "day.npz", snapshot(0))
    with pytest.raises(UsageError, match="--symbol"):
        read(path)
    (row,) = read(path, "btc-perp")
    assert isinstance(row, Imported)
    assert row.record["symbol"] == "btc-perp"


@pytest.mark.parametrize("by_column", [False, True])
def test_a_message_across_chunks_stays_one_and_memory_is_bounded(tmp_path: Path, by_column: bool) -> None:
    trades, cut = 3 * ROWS - 1, 2
    data = np.empty((trades + cut, 6), order="F" if by_column else "C")
    data[:] = [2, NS, NS, 1, 10.0, 1.0]
    data[ROWS - 1 : ROWS + 1] = [
        [1, NS, NS, 1, 10.0, 1.0],
        [1, NS, NS, -1, 11.0, 1.0],
    ]  # last of one, first of the next
    np.savez_compressed(tmp_path / "a_20240808.npz", data=data)
    del data
    rows = HftbacktestNpz("A").read(tmp_path / "a_20240808.npz")
    books = [item.record for item in rows if isinstance(item, Imported) and item.kind == "book"]
    assert [(book["bids"], book["asks"]) for book in books] == [([[10.0, 1.0]], [[11.0, 1.0]])]
    tracemalloc.start()
    try:
        count = sum(1 for _ in HftbacktestNpz("A").read(tmp_path / "a_20240808.npz"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == trades + 1
    assert peak < 8 * ROWS * 48 * 3


def test_a_real_recording_taken_through_an_npz_gives_the_same_book_and_trades(real_feeds: Path, tmp_path: Path) -> None:
    source = real_feeds / "hftbacktest_collector" / "usdm" / "btcusdt_20240808.gz"
    said = [item for item in islice(HftbacktestCollector().read(source), 3_000) if isinstance(item, Imported)]
    rows: list[tuple[Any, ...]] = []
    for item in said:
        record = item.record
        exch, local = (round(record[name] * 1e6) * 1_000 for name in ("ts_exchange", "ts"))
        if item.kind == "trades":
            side = BUY if record["side"] == "buy" else SELL
            rows.append((TRADE | BOTH | side, exch, local, record["price"], record["qty"], 0, 0, 0.0))
        else:
            event = (DEPTH if record["type"] == "delta" else SNAPSHOT) | BOTH
            for side, name in ((BUY, "bids"), (SELL, "asks")):
                rows += [(event | side, exch, local, px, qty, 0, 0, 0.0) for px, qty in record[name]]
    got = read(save(tmp_path / "btcusdt_20240808.npz", rows))
    assert [shape(item) for item in got if isinstance(item, Imported)] == [shape(item) for item in said]
    assert len(got) == len(said) > 300
    assert set(np.diff(ids(got)).tolist()) == {1}


def shape(item: Imported) -> tuple[Any, ...]:
    record = item.record
    rest = (record["price"], record["qty"], record["side"]) if item.kind == "trades" else (
        record["type"], dict(record["bids"]), dict(record["asks"])
    )  # fmt: skip
    return record["symbol"], pytest.approx(record["ts"], abs=1e-6), record["ts_exchange"], rest


def test_files_that_may_be_of_two_markets_are_told(tmp_path: Path) -> None:
    """spot/ and usdm/ keep the same names: nothing inside tells them apart, but their times overlap."""
    paths = []
    for number, (name, begin) in enumerate([("spot", 0), ("usdm", 500), ("later", 2_000_000)]):
        (tmp_path / name).mkdir()
        rows = [*snapshot(begin), row(TRADE | BOTH | SELL, begin + 1_000, begin + 1_000, 9.0, 1.0 + number)]
        paths.append(save(tmp_path / name / "btcusdt_20240808.npz", rows))
    importer = HftbacktestNpz()
    for path in paths:
        assert sum(isinstance(item, Imported) for item in importer.read(path)) > 1
    (remark,) = importer.remarks()
    assert f"{paths[0]} and {paths[1]} cover the same times of BTCUSDT, and npz files name no market" in remark
    apart = HftbacktestNpz()
    for path in (paths[0], paths[2]):
        list(apart.read(path))
    assert list(apart.remarks()) == []
