"""``calib check`` of recorded books and trades: hand-made lines, the sample feeds, and real recordings."""

from __future__ import annotations

import gzip
import json
import shutil
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from calib.cli.main import run
from tests.feeds.helpers import TS, line, make

SAMPLES = Path(__file__).parents[2] / "sample_feeds"


def delta(second: float, first: int, last: int, **changes: Any) -> bytes:
    found = {"first_update_id": first, "update_id": last, "bids": [], "symbol": "A"}
    return line("book", ts=TS + second, **(found | changes))


def snap(second: float, update_id: int, symbol: str = "A") -> bytes:
    return line(
        "book", ts=TS + second, type="snapshot", update_id=update_id, symbol=symbol, bids=[[9, 1]], asks=[[10, 1]]
    )


def checked(capsys: pytest.CaptureFixture[str], *paths: Path, code: int = 0) -> dict[str, dict[str, Any]]:
    assert run(["check", *map(str, paths), "--output", "json"]) == code
    return {item["file"]: item for item in json.loads(capsys.readouterr().out)["data"]["files"]}


def joined(*lines: bytes) -> bytes:
    return b"".join(text + b"\n" for text in lines)


def test_the_troubles_of_a_book_in_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late = TS + 3.25
    lines = [
        snap(0, 7),
        delta(1, 8, 9),
        delta(2, 8, 9),
        delta(3, 12, 13, ts_exchange=late),
        snap(4, 13),
        snap(5, 1, "B"),
    ]
    lines += [delta(6, 2, 3, symbol="B", bids=[[11, 1]], ts_exchange=TS + 5.5), delta(7, 14, 14)]
    file = make(tmp_path, joined(*lines), "book")
    assert run(["check", str(file.path), "--max-bad-book-ratio", "0.5"]) == 0
    text = capsys.readouterr().out
    assert "  book           3 snapshots, 5 deltas by id rule range; 3 sessions begun, 1 delta in no book\n" in text
    assert "                 no rewind\n" in text
    assert (
        "  gaps           A 1 (first at line 4)\n"
        "  duplicates     A 1 (first at line 3)\n"
        "  crossed        B 1 (first at line 7)\n"
    ) in text
    assert max(map(len, text.splitlines())) <= 120
    found = checked(capsys, file.local, code=1)[file.name]
    assert found["book"][0] == {
        "symbol": "A", "snapshots": 2, "deltas": 4, "rules": {"range": 4}, "sessions": 2, "unverified": 1,
        "bad_lines": 1, "gaps": 1,
        "rewinds": 0, "duplicates": 1, "restarts": 0, "crossed": 0, "before_snapshot": 0, "late_snapshots": 0,
        "first_line": {"gaps": 4, "duplicates": 3},
    }  # fmt: skip
    lags = [(lag["symbol"], lag["p99_ms"]) for lag in found["clock_lag_by_symbol"]]
    assert lags == [("A", -250.0), ("B", 500.0)]


def test_the_troubles_of_trades(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line("trades", ts=TS + n, trade_id=id_) for n, id_ in ((1, "5"), (2, "5"), (1.5, "4"), (3, None))]
    file = make(tmp_path, joined(*lines), "trades")
    assert run(["check", str(file.path)]) == 0
    text = capsys.readouterr().out
    assert (
        "  trade ids      3 of 4 lines have one\n"
        "                 no gap\n"
        "  duplicates     BTCUSDT 1 (first at line 2)\n"
    ) in text
    assert "  rewinds        BTCUSDT 1 (first at line 3)\n  out of order   BTCUSDT 1 (first at line 3)\n" in text
    (found,) = checked(capsys, file.local)[file.name]["trades"]
    assert (found["trades"], found["without_id"], found["duplicates"]) == (4, 1, 1)


def test_two_directories_are_two_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, day in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        second = (day - 1) * 86_400
        content = joined(delta(second, 500 * day, 500 * day), snap(second + 1, 500 * day))
        make(tmp_path / name, content, "book", f"2025010{day}")
    for found in checked(capsys, tmp_path / "one", tmp_path / "two", code=1).values():
        # Of one recording the id 1000 would be a gap after 500, and no delta without a snapshot before it.
        assert found["book"][0]["first_line"] == {"before_snapshot": 1}


def test_rejects_of_a_book_are_counted_and_kept_once(tmp_path: Path) -> None:
    file = make(tmp_path, joined(snap(0, 1), delta(1, 2, 2), b"bad"), "book")
    argv = ["check", str(file.path), "--rejects", "--out", str(tmp_path / "out")]
    assert run(argv) == 1
    (kept,) = (tmp_path / "out" / "rejects").iterdir()
    assert len(kept.read_bytes().splitlines()) == 1


def test_the_sample_feeds_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    names = "book_20250101.jsonl", "trades_20250101.jsonl"
    book, trades = checked(capsys, *(SAMPLES / name for name in names)).values()
    lines = [json.loads(text) for text in (SAMPLES / names[0]).read_bytes().splitlines()]
    for found in book["book"]:
        own = [record["type"] for record in lines if record["symbol"] == found["symbol"]]
        assert (found["snapshots"], found["deltas"]) == (own.count("snapshot"), own.count("delta"))
        assert (found["rules"], found["first_line"]) == ({"range": found["deltas"]}, {})
    assert [found["first_line"] for found in trades["trades"]] == [{}, {}]


def recorded(recording: Path, out: Path, *names: str) -> Path:
    files = [str(recording / "hftbacktest_collector" / name) for name in names]
    assert run(["import", "hftbacktest-collector", *files, "--out", str(out), "--quiet"]) == 0
    return out


def test_real_spot_recording_is_whole_and_shows_one_gap_with_a_day_left_out(
    tmp_path: Path, real_feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["spot/nexousdt_20240723.dat", "spot/nexousdt_20240724.dat.gz", "spot/nexousdt_20240725.dat.gz"]
    whole = recorded(real_feeds, tmp_path / "whole", *names)
    found = checked(capsys, whole)
    books = [item["book"][0] for item in found.values() if "book" in item]
    trades = [item["trades"][0] for item in found.values() if "trades" in item]
    assert sum(book["snapshots"] + book["deltas"] for book in books) == 99_031
    assert [book["rules"].keys() for book in books] == [{"range"}] * 3
    assert [(book["unverified"], book["first_line"]) for book in books] == [(0, {})] * 3
    assert (sum(item["trades"] for item in trades), [item["first_line"] for item in trades]) == (18_817, [{}] * 3)
    cut = shutil.copytree(whole, tmp_path / "cut", ignore=shutil.ignore_patterns("*20240724*", ".*"))
    before, after = (item["book"][0] for item in checked(capsys, cut, code=1).values() if "book" in item)
    assert (before["first_line"], after["gaps"], after["first_line"]) == ({}, 1, {"gaps": 1})
    assert after["unverified"] == after["deltas"]


def test_real_futures_recording_has_no_gap_by_the_previous_id_and_a_venue_ahead_in_time(
    tmp_path: Path, real_feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "usdm/btcusdt_20240808.gz"
    found = checked(capsys, recorded(real_feeds, tmp_path / "feeds", name))["book_20240808.jsonl"]
    (book,) = found["book"]
    assert (book["rules"], book["gaps"], book["rewinds"], book["crossed"]) == ({"previous": 6_551}, 0, 0, 0)
    assert book["first_line"] == {"before_snapshot": 1}
    assert -1_275 < found["clock_lag"]["p50_ms"] < -1_260
    # The same from the raw lines: receive time before the first blank, the venue's T within.
    with gzip.open(real_feeds / "hftbacktest_collector" / name) as handle:
        raw = [text.split(b" ", 1) for text in handle if b'"depthUpdate"' in text or b'"lastUpdateId"' in text]
    times = sorted(int(stamp) / 1e9 for stamp, _ in raw)
    longest = max(later - earlier for earlier, later in pairwise(times))
    assert found["longest_silence"]["duration_s"] == pytest.approx(longest, abs=2e-6)
    lags = [int(stamp) / 1e6 - json.loads(text).get("data", json.loads(text))["T"] for stamp, text in raw]
    assert found["clock_lag"]["p50_ms"] == pytest.approx(median(lags), abs=2e-3)
