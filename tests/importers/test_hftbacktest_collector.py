"""The collector's recordings: every form of a line by hand, then the real files against the venue's own best prices."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from calib.errors import NotThisFormat, TruncatedInput, UnreadableInput, UsageError
from calib.importers import collect
from calib.importers.base import Imported, Rejected
from calib.importers.binance import SCANNED
from calib.importers.formats.hftbacktest_collector import HftbacktestCollector
from calib.market import BookStream, BookView, Connection, Delta, Snapshot, StreamSettings

NEXO = ["spot/nexousdt_20240723.dat", "spot/nexousdt_20240724.dat.gz", "spot/nexousdt_20240725.dat.gz"]
US, NS = "1721749182850494", "1723161255030314667"
SNAPSHOT = {"lastUpdateId": 7, "bids": [["1.5", "2"]], "asks": [["1.6", "3.25"]]}
DEPTH = {"e": "depthUpdate", "E": 1721749183710, "s": "NEXOUSDT", "U": 8, "u": 9, "b": [["1.5", "0.0"]], "a": []}
TRADE = {
    "e": "trade", "E": 1721749184044, "s": "NEXOUSDT", "t": 12, "p": "1.6", "q": "10.5", "T": 1721749184040, "m": True
}  # fmt: skip
BEST = {"u": 9, "s": "NEXOUSDT", "b": "1.4", "B": "1", "a": "1.6", "A": "2"}


def line(stamp: str, message: Any) -> bytes:
    return stamp.encode() + b" " + (message if isinstance(message, bytes) else orjson.dumps(message)) + b"\n"


def read(path: Path, *lines: bytes) -> list[Imported | Rejected]:
    path.write_bytes(b"".join(lines))
    return list(HftbacktestCollector().read(path))


def test_a_spot_file_with_microseconds_envelopes_and_a_snapshot_without_symbol(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "nexousdt_20240723.dat",
        line(US, SNAPSHOT),
        line(US, {"stream": "nexousdt@depth@100ms", "data": DEPTH}),
        line(US, {"stream": "nexousdt@trade", "data": TRADE}),
        line(US, {"stream": "nexousdt@bookTicker", "data": BEST}),
    )
    ts = 1721749182.850494
    assert rows[:3] == [
        Imported(
            "book",
            {
                "ts": ts, "ts_exchange": None, "symbol": "NEXOUSDT", "type": "snapshot", "update_id": 7,
                "bids": [[1.5, 2.0]], "asks": [[1.6, 3.25]], "origin": "requested",
            },
            1,
            market="binance-spot",
        ),
        Imported(
            "book",
            {
                "ts": ts, "ts_exchange": 1721749183.71, "symbol": "NEXOUSDT", "type": "delta", "first_update_id": 8,
                "update_id": 9, "prev_update_id": None, "bids": [[1.5, 0.0]], "asks": [],
            },
            2,
            "depth",
            "binance-spot",
        ),
        Imported(
            "trades",
            {
                "ts": ts, "ts_exchange": 1721749184.04, "symbol": "NEXOUSDT", "price": 1.6, "qty": 10.5,
                "side": "sell", "trade_id": "12",
            },
            3,
            "trade",
            "binance-spot",
        ),
    ]  # fmt: skip
    assert isinstance(rows[3], Rejected)
    assert (rows[3].reason, rows[3].damaged) == ("no_feed", False)


def test_a_futures_file_with_nanoseconds_names_the_previous_id_and_both_clocks(tmp_path: Path) -> None:
    event = {**DEPTH, "s": "BTCUSDT", "pu": 5, "T": 1723161256298, "E": 1723161256299}
    (row,) = read(tmp_path / "btcusdt_20240808", line(NS, event))
    assert isinstance(row, Imported)
    assert row.record["ts"] == pytest.approx(1723161255.030314667, abs=1e-6)
    assert (row.record["ts_exchange"], row.record["prev_update_id"]) == (1723161256.298, 5)


def test_every_snapshot_written_twice_is_taken_once(tmp_path: Path) -> None:
    rows = read(tmp_path / "x_20240101", *[line(US, SNAPSHOT)] * 2, line(US, {**SNAPSHOT, "lastUpdateId": 8}))
    assert [type(row) for row in rows] == [Imported, Rejected, Imported]


def test_aggregated_trades_beside_plain_ones_are_not_counted_twice(tmp_path: Path) -> None:
    aggregated = {**TRADE, "e": "aggTrade", "a": 3}
    path = tmp_path / "x_20240101"
    read(path, line(US, TRADE), line(US, aggregated))
    found = collect(HftbacktestCollector(), [path])
    assert (found.used, found.sources[0].rejected, found.sources[0].damaged) == (1, {"second_trade_stream": 1}, 0)
    chosen = collect(HftbacktestCollector(), [path], only="aggTrade")
    assert [orjson.loads(text)["trade_id"] for text in chosen.days["trades_20240723.jsonl"]] == ["3"]
    (row,) = read(tmp_path / "x_20240101", line(US, aggregated))
    assert isinstance(row, Imported)
    assert row.record["trade_id"] == "3"


@pytest.mark.parametrize(
    ("text", "reason", "field"),
    [
        (b"no line of ours\n", "bad_line", ""),
        (b"172174918285 {}\n", "bad_line", ""),
        (line(US, b'{"e": '), "bad_json", ""),
        (line(US, {"data": 1}), "bad_type", "data"),
        (line(US, {"e": ["surprise"]}), "bad_type", "e"),
        (line(US, {"x": 1}), "unknown_event", "e"),
        (line(US, {**DEPTH, "U": "8"}), "bad_type", "U"),
        (line(US, {"e": "depthUpdate", "s": "X", "U": 1, "b": [], "a": []}), "missing_field", "u"),
        (line(US, {**DEPTH, "b": [["x", "1"]]}), "bad_type", "b"),
        (line(US, {**DEPTH, "b": None}), "missing_field", "b"),
        (line(US, {**TRADE, "m": "yes"}), "bad_type", "m"),
        (line(US, {**TRADE, "p": 1.5}), "bad_type", "p"),
        (line(US, {**TRADE, "s": ""}), "no_symbol", "s"),
    ],
)
def test_a_bad_line_is_a_reject_with_its_place_and_the_next_is_read(
    tmp_path: Path, text: bytes, reason: str, field: str
) -> None:
    rows = read(tmp_path / "x_20240101", line(US, DEPTH), text, line(US, DEPTH))
    assert [type(row) for row in rows] == [Imported, Rejected, Imported]
    bad = rows[1]
    assert isinstance(bad, Rejected)
    assert (bad.line, bad.reason, bad.field, bad.damaged) == (2, reason, field, True)


def symbols(path: Path, *lines: bytes, named: str | None = None) -> list[str]:
    path.write_bytes(b"".join(lines))
    return [row.record["symbol"] for row in HftbacktestCollector(named).read(path) if isinstance(row, Imported)]


def test_a_snapshot_has_its_own_symbol_else_the_files_else_the_streams_only_one(tmp_path: Path) -> None:
    coin_margined = {**SNAPSHOT, "symbol": "ETHUSD_PERP", "pair": "ETHUSD"}
    delta = {**DEPTH, "s": "ETHUSD_PERP", "ps": "ETHUSD", "pu": 7}
    assert symbols(tmp_path / "rec_20240808", line(US, coin_margined), line(US, delta)) == ["ETHUSD_PERP"] * 2
    quarterly = {**DEPTH, "s": "BTCUSDT_240927", "pu": 7}
    assert (
        symbols(tmp_path / "btcusdt_240927_20240808.gz", line(US, SNAPSHOT), line(US, quarterly))
        == ["BTCUSDT_240927"] * 2
    )
    chinese = {**DEPTH, "s": "币安人生USDT"}
    assert symbols(tmp_path / "币安人生usdt_20240808", line(US, SNAPSHOT), line(US, chinese)) == ["币安人生USDT"] * 2
    assert symbols(tmp_path / "rec_20240808", line(US, SNAPSHOT), line(US, DEPTH)) == ["NEXOUSDT"] * 2
    assert symbols(tmp_path / "nexousdt_20240808", line(US, SNAPSHOT)) == ["NEXOUSDT"]
    other = {**DEPTH, "s": "BTCUSDT"}
    assert (
        symbols(tmp_path / "nexousdt_20240808", line(US, other), line(US, SNAPSHOT), line(US, DEPTH))[1] == "NEXOUSDT"
    )
    lines = line(US, other), line(US, SNAPSHOT), line(US, DEPTH)
    assert symbols(tmp_path / "rec_20240808", *lines, named="BTCUSDT")[1] == "BTCUSDT"
    for bad in (lines, (line(US, SNAPSHOT),)):
        with pytest.raises(UsageError, match="--symbol"):
            symbols(tmp_path / "recording", *bad)


def test_the_symbol_of_a_snapshot_is_not_guessed_against_a_later_line(tmp_path: Path) -> None:
    later = [line(US, {**DEPTH, "u": 9 + number}) for number in range(SCANNED)]
    with pytest.raises(UsageError, match=r"has messages of BTCUSDT, but an earlier .* read as NEXOUSDT.*--symbol"):
        symbols(tmp_path / "rec_20240808", line(US, SNAPSHOT), *later, line(US, {**DEPTH, "s": "BTCUSDT"}))


def test_partial_books_are_pushed_snapshots_whatever_their_event(tmp_path: Path) -> None:
    futures = {**DEPTH, "s": "NEXOUSDT", "pu": 7, "b": [["1.5", "2"]], "a": [["1.6", "1"]]}
    rows = read(
        tmp_path / "x_20240101",
        line(US, {"stream": "nexousdt@depth5@100ms", "data": futures}),
        line(US, {"stream": "nexousdt@depth20", "data": {**SNAPSHOT, "lastUpdateId": 10}}),
    )
    books = [row for row in rows if isinstance(row, Imported)]
    assert [(row.record["type"], row.record["origin"]) for row in books] == [("snapshot", "pushed")] * 2
    assert [(row.record["update_id"], row.stream) for row in books] == [(9, "depth5"), (10, "depth20")]


def test_a_stream_of_other_levels_than_the_books_has_no_feed(tmp_path: Path) -> None:
    lines = [line(US, {"stream": name, "data": DEPTH}) for name in ("nexousdt@rpiDepth@500ms", "nexousdt@depth@100ms")]
    first, second = read(tmp_path / "nexousdt_20240723.dat", *lines)
    assert isinstance(first, Rejected)
    assert (first.reason, first.damaged) == ("no_feed", False)
    assert isinstance(second, Imported)


def test_a_recorders_own_name_of_a_stream_says_nothing_of_it(tmp_path: Path) -> None:
    """Names of Binance's streams have an @; one without is no reason to lose the book's changes."""
    path = tmp_path / "nexousdt_20240723.dat"
    path.write_bytes(b"".join(line(US, {"stream": "depth-1", "data": DEPTH}) for _ in range(1)))
    source = collect(HftbacktestCollector(), [path]).sources[0]
    assert (source.used, dict(source.rejected)) == (1, {})


def test_the_venues_time_is_told_by_its_digits(tmp_path: Path) -> None:
    micro, ms = {**DEPTH, "E": 1721749183710123}, {**DEPTH, "E": 1721749183710}
    rows = read(tmp_path / "x_20240101", line(US, micro), line(US, ms), line(US, {**DEPTH, "E": 1721749183}))
    assert [row.record["ts_exchange"] for row in rows[:2] if isinstance(row, Imported)] == [
        1721749183.710123, 1721749183.71,
    ]  # fmt: skip
    assert isinstance(rows[2], Rejected)
    assert (rows[2].reason, rows[2].field) == ("bad_value", "E")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"1721749182850 {}\n", "look like milliseconds; expected nanoseconds"),
        (b"1721749182.850 {}\n", "look like seconds"),
        (b'1721749182850494 {"topic":"/market/level2:BTC-USDT","data":{}}\n', "is a recording of KuCoin"),
        (b'1721749182850494 {"arg":{"channel":"books","instId":"X"},"data":[]}\n', "is a recording of OKX"),
        ("1721749182850494 {}\n".encode("utf-16"), "is UTF-16 text"),
        ("1721749182850494 {}\n".encode("utf-16-le"), "is UTF-16 text"),
    ],
)
def test_another_unit_venue_or_encoding_is_named(tmp_path: Path, text: bytes, said: str) -> None:
    with pytest.raises(NotThisFormat, match=said):
        read(tmp_path / "x_20240101", text)


def test_something_else_is_not_this_format(tmp_path: Path) -> None:
    with pytest.raises(NotThisFormat, match="receive time"):
        read(tmp_path / "x_20240101", b"ts,price\n1,2\n")


def test_a_truncated_gz_is_said_with_its_line(tmp_path: Path) -> None:
    whole = gzip.compress(line(US, DEPTH) * 1_000, mtime=0)
    with pytest.raises(TruncatedInput, match="ends too early"):
        read(tmp_path / "x_20240101.gz", whole[:-20])


def test_a_missing_file_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput):
        list(HftbacktestCollector().read(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("names", "rule", "least"),
    [
        (NEXO, "range", 17_000),
        (["usdm/btcusdt_20240808.gz"], "previous", 300),
    ],
    ids=["nexo", "btc"],
)
def test_real_imported_books_agree_with_every_best_price_of_the_venue(
    real_feeds: Path, names: list[str], rule: str, least: int
) -> None:
    paths = [real_feeds / "hftbacktest_collector" / name for name in names]
    rejects: Counter[str] = Counter()
    served: dict[int, BookView] = {}
    stream = BookStream("X", Connection("x", silence_ns=10**9), random=lambda: 0.0, settings=StreamSettings(rule))
    stream.connect(0)
    epoch = stream.epoch
    best: list[tuple[int, tuple[float, ...]]] = []
    for path in paths:
        for row in HftbacktestCollector().read(path):
            if isinstance(row, Rejected):
                rejects[row.reason] += 1
                data = orjson.loads(row.text.partition(" ")[2])
                data = data.get("data", data)
                best.append((data["u"], tuple(float(data[key]) for key in "bBaA")))
            elif row.kind == "book":
                book = row.record
                if book["type"] == "snapshot":
                    outcome = stream.on_snapshot(Snapshot(book["bids"], book["asks"], book["update_id"], epoch), 0)
                else:
                    ids = (book["update_id"], book["first_update_id"], book["prev_update_id"])
                    outcome = stream.on_delta(Delta(book["bids"], book["asks"], *ids), 0)
                assert outcome.effects == ()
                if (view := stream.view(1)) is not None and view.update_id is not None:
                    served[view.update_id] = view
    compared = [(served[update_id], row) for update_id, row in best if update_id in served]
    assert len(compared) > least
    assert [row for view, row in compared if (*view.bids[0], *view.asks[0]) != row] == []
    assert set(rejects) == {"no_feed"}
