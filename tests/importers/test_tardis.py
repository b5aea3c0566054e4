"""Tardis' tables by hand: what each gives, and what rows that are lost, mixed or out of order do to a book."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.errors import MixedStreams, NotThisFormat, TruncatedInput
from calib.importers import Imported, Rejected, Tardis, collect
from calib.market import BookStream, Connection, Delta, OrderBook, Snapshot

BOOK = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
QUOTES = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n"
LADDER = (
    "exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,bids[0].amount,"
    "asks[1].price,asks[1].amount,bids[1].price,bids[1].amount\n"
)
T = 1585699200000000
"""2020-04-01T00:00:00Z, in microseconds."""


def level(at: int, snapshot: bool | str, side: str, price: object, amount: object, symbol: str = "X") -> str:
    flag = str(snapshot).lower()
    return f"deribit,{symbol},{T + at - 50},{T + at},{flag},{side},{price},{amount}\n"


def read(path: Path, *rows: str, header: str = BOOK) -> list[Imported | Rejected]:
    path.write_text(header + "".join(rows))
    return list(Tardis().read(path))


def told(rows: list[Imported | Rejected]) -> list[Any]:
    """Messages as (line, type, id - T, bids, asks), rejects as (line, reason, damaged)."""
    return [
        (row.line, row.reason, row.damaged)
        if isinstance(row, Rejected)
        else (row.line, *(row.record[key] for key in ("type",)), row.record["update_id"] - T, row.record["bids"],
              row.record["asks"])
        for row in rows
    ]  # fmt: skip


START = level(100, True, "bid", 10, 1) + level(100, True, "ask", 11, 2)


def test_rows_of_one_time_of_receiving_are_one_message_with_both_clocks(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", START, level(200, False, "bid", 10, 0), level(200, False, "bid", 9.5, 3))
    assert rows[0] == Imported(
        "book",
        {
            "ts": 1585699200.0001, "ts_exchange": 1585699200.00005, "symbol": "X", "type": "snapshot",
            "update_id": T + 100, "bids": [[10.0, 1.0]], "asks": [[11.0, 2.0]], "origin": "pushed",
        },
        2,
        "incremental_book_L2",
        "deribit",
    )  # fmt: skip
    assert told(rows)[1:] == [(4, "delta", 101, [[10.0, 0.0], [9.5, 3.0]], [])]


def test_trap_rows_before_the_first_snapshot_are_skipped_and_counted(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", level(50, False, "bid", 9, 1), level(60, False, "ask", 12, 1), START)
    assert told(rows) == [
        (2, "before_snapshot", False),
        (3, "before_snapshot", False),
        (4, "snapshot", 50, [[10.0, 1.0]], [[11.0, 2.0]]),
    ]


def test_trap_false_then_true_resets_the_book_and_true_after_true_is_a_book_of_its_own(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "a.csv",
        START,
        level(110, True, "ask", 12, 5),
        level(120, False, "bid", 9, 1),
        level(130, True, "bid", 8, 1),
    )
    assert [entry[1:3] for entry in told(rows)] == [
        ("snapshot", 100), ("snapshot", 101), ("delta", 102), ("snapshot", 103)
    ]  # fmt: skip


def test_a_snapshot_and_changes_received_at_once_are_two_messages(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", START, level(100, False, "bid", 10, 7))
    assert told(rows) == [
        (2, "snapshot", 100, [[10.0, 1.0]], [[11.0, 2.0]]),
        (4, "delta", 101, [[10.0, 7.0]], []),
    ]


def test_two_symbols_in_one_file_are_two_books_each_with_its_own_ids(tmp_path: Path) -> None:
    other = [level(100, True, "bid", 70, 1, "Y"), level(300, False, "bid", 71, 1, "Y")]
    rows = read(tmp_path / "a.csv", level(100, True, "bid", 10, 1), other[0], level(100, True, "ask", 11, 2),
                level(200, False, "bid", 9, 1), other[1])  # fmt: skip
    assert told(rows) == [
        (2, "snapshot", 100, [[10.0, 1.0]], [[11.0, 2.0]]),
        (3, "snapshot", 100, [[70.0, 1.0]], []),
        (5, "delta", 101, [[9.0, 1.0]], []),
        (6, "delta", 101, [[71.0, 1.0]], []),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (level(200, False, "bid", "x", 1), "bad_type"),
        (level(200, False, "bid", 9, "inf"), "bad_value"),
        (level(200, False, "bid", 9, -1), "bad_value"),
        (level(200, False, "bid", 0, 1), "bad_value"),
        (level(200, False, "both", 9, 1), "unknown_side"),
        (level(200, "perhaps", "bid", 9, 1), "bad_value"),
        (level(40, False, "bid", 9, 1), "out_of_order"),
        ("deribit,X,1\n", "bad_csv"),
        (level(200, False, "bid", 9, 1).replace(f"{T + 200},", "soon,"), "bad_type"),
        (level(200, False, "bid", 9, 1).replace(f"{T + 200},", f"{T}000,"), "bad_value"),
        (level(200, False, "bid", 9, 1, symbol=""), "no_symbol"),
    ],
)
def test_a_row_that_is_lost_is_a_gap_before_the_next_message(tmp_path: Path, bad: str, reason: str) -> None:
    before, after, last = (level(at, False, "bid", 9, 1) for at in (150, 300, 400))
    rows = read(tmp_path / "a.csv", START, before, bad, after, last)
    assert [entry[:3] for entry in told(rows)] in (
        [(2, "snapshot", 100), (4, "delta", 101), (5, reason, True), (6, "delta", 103), (7, "delta", 104)],
        # No telling whether the lost row was of the message before it or of the next: a gap before both.
        [(2, "snapshot", 100), (4, "delta", 102), (5, reason, True), (6, "delta", 104), (7, "delta", 105)],
    )


def test_a_row_lost_amid_a_message_is_a_gap_before_that_message_alone(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", START, level(200, False, "bid", 9, 1), level(200, False, "bid", "x", 1),
                level(200, False, "ask", 12, 1), level(300, False, "bid", 8, 1))  # fmt: skip
    assert told(rows)[1:] == [
        (4, "delta", 102, [[9.0, 1.0]], [[12.0, 1.0]]),
        (5, "bad_type", True),
        (7, "delta", 103, [[8.0, 1.0]], []),
    ]


@pytest.mark.parametrize("lost", [0, 1, 2])
@pytest.mark.parametrize("bad", [level(100, True, "bid", "x", 1), "deribit,X\n"], ids=["known", "unknown"])
def test_a_snapshot_that_lacks_a_row_is_no_snapshot(tmp_path: Path, lost: int, bad: str) -> None:
    first = [level(100, True, "bid", 10, 1), level(100, True, "ask", 11, 2)]
    first.insert(lost, bad)
    rows = read(tmp_path / "a.csv", *first, level(200, False, "bid", 9, 1), level(300, True, "bid", 8, 1))
    assert sorted(entry[1] for entry in told(rows)[:-1]) == sorted(
        ["bad_csv" if len(bad) < 12 else "bad_type", "incomplete_snapshot", "before_snapshot"]
    )
    assert told(rows)[-1][1] == "snapshot"


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (100, (5, "incomplete_snapshot", True)),
        (200, (6, "incomplete_snapshot", True)),
        # The times of a file rise, so the lost row is of time 100 to 200.
        (300, (6, "snapshot", 300, [[70.0, 1.0]], [[71.0, 2.0]])),
    ],
)
def test_a_row_of_unknown_symbol_may_belong_to_a_first_snapshot_of_its_time_or_the_next(
    tmp_path: Path, at: int, expected: tuple[Any, ...]
) -> None:
    other = level(at, True, "bid", 70, 1, "Y") + level(at, True, "ask", 71, 2, "Y")
    later = level(200, False, "bid", 9, 1)
    rows = read(tmp_path / "a.csv", START, "deribit,X\n", *([later, other] if at > 100 else [other, later]))
    assert told(rows)[:2] == [(2, "incomplete_snapshot", True), (4, "bad_csv", True)]
    others = {True: told(rows)[2], False: told(rows)[3]}[at == 100]
    assert others == expected


def test_a_row_lost_before_a_later_snapshot_is_mended_by_it(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", START, level(200, False, "bid", "x", 1), level(300, False, "bid", 9, 1),
                level(400, False, "bid", "x", 1), level(500, True, "bid", 8, 1))  # fmt: skip
    assert [entry[1] for entry in told(rows)] == ["snapshot", "bad_type", "delta", "bad_type", "snapshot"]


def test_ids_go_on_rising_in_the_next_days_file(tmp_path: Path) -> None:
    today = read(tmp_path / "a.csv", START, *[level(200 + i, False, "bid", 9, i) for i in range(500)])
    tomorrow = read(tmp_path / "b.csv", START.replace(f",{T + 100},", f",{T + 86_400_000_000},"))
    ids = [row.record["update_id"] for row in today + tomorrow if isinstance(row, Imported)]
    assert ids == sorted(set(ids))


def test_the_live_book_takes_every_message_by_the_contiguous_rule(tmp_path: Path) -> None:
    stream = BookStream("X", Connection("x", silence_ns=10**9), random=lambda: 0.0)
    stream.connect(0)
    path = tmp_path / "a.csv"
    path.write_text(
        BOOK + START + level(200, False, "bid", 10, 0) + level(200, False, "bid", 9.5, 3)
        + level(300, False, "ask", 11, 0) + level(300, False, "ask", 10.5, 4)
    )  # fmt: skip
    (lines,) = collect(Tardis(), [path]).days.values()
    for book in map(orjson.loads, lines):
        if book["type"] == "snapshot":
            stream.on_snapshot(Snapshot(book["bids"], book["asks"], book["update_id"], stream.epoch), 0)
        else:
            assert stream.on_delta(Delta(book["bids"], book["asks"], book["update_id"]), 0).effects == ()
    view = stream.view(5)
    assert view is not None
    assert (view.bids, view.asks) == (((9.5, 3.0),), ((10.5, 4.0),))


MESSAGES = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.booleans(),
        st.sampled_from("XY"),
        st.lists(st.tuples(st.sampled_from(["bid", "ask"]), st.integers(1, 6), st.integers(0, 3)), min_size=1),
    ),
    max_size=30,
)


@given(MESSAGES)
def test_books_are_those_of_tardis_rule_applied_row_by_row(
    tmp_path_factory: pytest.TempPathFactory, messages: list[tuple[int, bool, str, list[tuple[str, int, int]]]]
) -> None:
    """The rule of Tardis' documentation, a row at a time over plain dicts, against the feed in the live book."""
    rows: list[str] = []
    naive: dict[str, dict[tuple[str, int], int]] = {}
    last: dict[str, tuple[bool, int]] = {}
    at = 0
    for step, snapshot, symbol, levels in messages:
        at += step
        for side, price, amount in levels:
            rows.append(level(at, snapshot, side, price, amount, symbol))
            if snapshot and last.get(symbol) != (True, at):
                naive[symbol] = {}
            last[symbol] = snapshot, at
            if symbol in naive:
                naive[symbol][side, price] = amount
    books: dict[str, OrderBook] = {}
    for row in read(tmp_path_factory.getbasetemp() / "property.csv", *rows):
        if isinstance(row, Imported):
            book = books.setdefault(row.record["symbol"], OrderBook(row.record["symbol"]))
            change = book.snapshot if row.record["type"] == "snapshot" else book.delta
            change(row.record["bids"], row.record["asks"], row.record["update_id"])
        else:
            assert row.reason == "before_snapshot"
    served = {
        symbol: {
            (side, price): qty for side, levels in (("bid", view.bids), ("ask", view.asks)) for price, qty in levels
        }
        for symbol, view in ((symbol, book.view(10)) for symbol, book in books.items())
    }
    assert served == {
        symbol: {key: amount for key, amount in levels.items() if amount} for symbol, levels in naive.items()
    }


def test_trades_keep_id_side_and_both_clocks(tmp_path: Path) -> None:
    row = f"deribit,X,{T},{T + 7},t-1,sell,6425.5,20\n"
    rows = read(tmp_path / "a.csv", row, row.replace("sell", "unknown"), row.replace("sell", ""),
                row.replace("t-1", ""), row.replace(",20", ",0"), "cut,off\n", header=TRADES)  # fmt: skip
    first, *_ = rows
    assert isinstance(first, Imported)
    said = {
        "ts": 1585699200.000007, "ts_exchange": 1585699200.0, "symbol": "X", "price": 6425.5, "qty": 20.0,
        "side": "sell", "trade_id": "t-1",
    }  # fmt: skip
    assert (first.kind, first.record) == ("trades", said)
    assert [(row.reason, row.damaged) if isinstance(row, Rejected) else row.record["trade_id"] for row in rows[1:]] == [
        ("unknown_side", False), ("unknown_side", True), None, ("bad_value", True), ("bad_csv", True),
    ]  # fmt: skip


def test_trap_liquidations_have_the_columns_of_trades(tmp_path: Path) -> None:
    with pytest.raises(NotThisFormat, match="liquidations"):
        read(tmp_path / "deribit_liquidations_2020-04-01_X.csv", f"deribit,X,{T},{T},1,buy,1,1\n", header=TRADES)


def test_quotes_are_books_of_one_level_and_an_empty_side_is_empty(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", f"deribit,X,{T},{T + 5},2,11,10,1\n", f"deribit,X,{T},{T + 6},,,10,1\n",
                f"deribit,X,{T},{T + 7},2,,10,1\n", header=QUOTES)  # fmt: skip
    assert told(rows) == [
        (2, "snapshot", 5, [[10.0, 1.0]], [[11.0, 2.0]]),
        (3, "snapshot", 6, [[10.0, 1.0]], []),
        (4, "bad_type", True),
    ]


def test_book_snapshots_of_n_levels(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "a.csv", f"deribit,X,{T},{T + 5},11,1,10,2,12,3,,\n", header=LADDER)
    assert told([row]) == [(2, "snapshot", 5, [[10.0, 2.0]], [[11.0, 1.0], [12.0, 3.0]])]
    assert isinstance(row, Imported)
    assert (row.stream, row.market) == ("book_snapshot_2", "deribit")


@pytest.mark.parametrize(
    "header",
    ["", "a,b\n", BOOK.replace("side,", ""), LADDER.replace("asks[0]", "asks[5]"), LADDER.replace("\n", ",more\n")],
)
def test_another_header_is_not_this_format(tmp_path: Path, header: str) -> None:
    with pytest.raises(NotThisFormat, match="header"):
        read(tmp_path / "a.csv", header=header)


def test_a_gz_reads_like_its_table_and_a_truncated_one_is_said(tmp_path: Path) -> None:
    text = BOOK + START + "".join(level(200 + i, False, "bid", 9, i) for i in range(1_000))
    plain, packed = tmp_path / "a.csv", tmp_path / "a.csv.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode(), mtime=0))
    assert list(Tardis().read(packed)) == list(Tardis().read(plain))
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(TruncatedInput, match="ends too early"):
        list(Tardis().read(packed))


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        (
            QUOTES,
            f"deribit,X,{T},{T},2,11,10,1\n",
            "X comes from incremental_book_L2 and from quotes; a symbol's feed must come from one stream",
        ),
        (
            BOOK,
            START.replace("deribit", "bybit"),
            "X comes from deribit and from bybit; a symbol's feed must come from one stream",
        ),
    ],
    ids=["another table", "another exchange"],
)
def test_one_symbols_book_is_told_by_one_stream(tmp_path: Path, header: str, row: str, said: str) -> None:
    one, two = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text(BOOK + START)
    two.write_text(header + row)
    with pytest.raises(MixedStreams, match=said):
        collect(Tardis(), [two, one])
