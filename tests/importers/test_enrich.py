"""Mids joined to fills, each against a plain search through the book lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calib.cli.main import run
from calib.importers.enrich import enrich

T = 1735689600.0


def book(ts: float, bid: float, ask: float, number: int, *, lag: float | None = None) -> Any:
    return {
        "ts": ts, "ts_exchange": None if lag is None else ts - lag, "symbol": "X", "type": "snapshot",
        "first_update_id": None, "update_id": number, "prev_update_id": None, "bids": [[bid, 1.0]],
        "asks": [[ask, 1.0]],
    }  # fmt: skip


def fill(ts: float, **more: Any) -> dict[str, Any]:
    known = {"ts": ts, "symbol": "X", "side": "buy", "price": 100.0, "qty": 1.0, "liquidity": "maker"}
    return known | {"mid_at_quote": None, "mid_now": None, "spread_at_quote_bps": None} | more


def feeds(directory: Path, fills: list[Any], books: list[Any] = [], ticks: list[Any] = []) -> Path:  # noqa: B006
    directory.mkdir(exist_ok=True)
    for kind, rows in (("fills", fills), ("book", books), ("pipeline_ticks", ticks)):
        if rows:
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (directory / f"{kind}_20250101.jsonl").write_text(text)
    return directory


def fills_of(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "fills_20250101.jsonl").read_text().splitlines()]


BOOKS = [book(T + n, 100 + n, 102 + n, n + 1) for n in range(10)]
"""A message a second: mid 101 at 0 s, 102 at 1 s, ..."""


@pytest.mark.parametrize(
    ("at", "mid"),
    [
        (3.5, 104.0),
        (3.0, 103.0),  # strictly before: not the message of that moment
        (0.0, None),  # nothing before
        (9.0, 109.0),
        (9.5, None),  # past the end
    ],
)
def test_the_mid_is_the_last_one_strictly_before(at: float, mid: float | None, tmp_path: Path) -> None:
    enrich(feeds(tmp_path, [fill(T + at)], BOOKS))
    assert fills_of(tmp_path)[0]["mid_now"] == mid


def test_nothing_older_than_5_s(tmp_path: Path) -> None:
    enrich(feeds(tmp_path, [fill(T + 4.9), fill(T + 5.1)], [BOOKS[0], book(T + 20, 1, 2, 2)]))
    assert [one["mid_now"] for one in fills_of(tmp_path)] == [101.0, None]


def test_nothing_over_a_gap_of_the_sequence(tmp_path: Path) -> None:
    def delta(ts: float, first: int, last: int) -> Any:
        return book(ts, 100, 102, last) | {"type": "delta", "first_update_id": first}

    lines = [
        book(T, 100, 102, 10),
        delta(T + 1, 11, 11),
        delta(T + 2, 12, 12),
        delta(T + 3, 20, 20),
        delta(T + 4, 21, 21),
        book(T + 6, 100, 102, 30) | {"origin": "pushed"},
        delta(T + 7, 31, 31),
    ]
    found = enrich(feeds(tmp_path, [fill(T + 2.5), fill(T + 3.5)], lines))
    assert [one["mid_now"] for one in fills_of(tmp_path)] == [101.0, None]
    assert found.unknown["mid_now"] == 1


def test_the_venues_clock_where_both_have_it(tmp_path: Path) -> None:
    late = [row | {"ts_exchange": row["ts"] - 0.4} for row in BOOKS]
    # At the venue the message of 3.0 s was sent at 2.6 s: a fill there at 2.7 s comes after it.
    enrich(feeds(tmp_path, [fill(T + 2.7, ts_exchange=T + 2.7), fill(T + 2.7)], late))
    assert [one["mid_now"] for one in fills_of(tmp_path)] == [104.0, 103.0]


def test_the_quotes_moment_only_where_it_is_known(tmp_path: Path) -> None:
    found = enrich(feeds(tmp_path, [fill(T + 5.5, ts_quote=T + 2.5), fill(T + 5.5)], BOOKS))
    one, other = fills_of(tmp_path)
    assert (one["mid_at_quote"], one["mid_now"]) == (103.0, 106.0)
    assert one["spread_at_quote_bps"] == pytest.approx(2 / 103 * 1e4, rel=1e-12)
    assert (other["mid_at_quote"], other["spread_at_quote_bps"]) == (None, None)
    assert found.no_quote_time == 1


def test_ticks_where_there_is_no_book(tmp_path: Path) -> None:
    ticks = [
        {"ts": T + n, "symbol": "X", "tick_total_ms": 1.0, "cache_hit": True, "deadline_miss": False, "mid": 50.0 + n}
        for n in range(4)
    ]
    found = enrich(feeds(tmp_path, [fill(T + 1.5)], ticks=ticks))
    assert fills_of(tmp_path)[0]["mid_now"] == 51.0
    assert found.sources == {"book": 0, "ticks": 1}


def test_what_a_fill_has_stays_and_so_do_lines_that_are_none(tmp_path: Path) -> None:
    feeds(tmp_path, [fill(T + 3.5, mid_now=7.0, mid_at_quote=8.0, spread_at_quote_bps=1.0)], BOOKS)
    path = tmp_path / "fills_20250101.jsonl"
    path.write_bytes(path.read_bytes() + b"{damaged\n")
    before = path.read_bytes()
    found = enrich(tmp_path)
    assert path.read_bytes() == before
    assert found.had["mid_now"] == 1


def test_a_second_run_changes_nothing_and_a_packed_day_stays_packed(tmp_path: Path) -> None:
    feeds(tmp_path, [fill(T + 3.5), fill(T + 40)], BOOKS)
    path = tmp_path / "fills_20250101.jsonl"
    packed = tmp_path / "fills_20250101.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    enrich(tmp_path)
    first = packed.read_bytes()
    assert [json.loads(line)["mid_now"] for line in gzip.decompress(first).splitlines()] == [104.0, None]
    assert enrich(tmp_path).written == [(packed, False)]
    assert packed.read_bytes() == first


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gaps=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    moments=st.lists(st.integers(0, 400), min_size=1, max_size=20),
)
def test_a_plain_search_finds_the_same(gaps: list[int], moments: list[int], tmp_path: Path) -> None:
    times = [T + sum(gaps[: n + 1]) / 4 for n in range(len(gaps))]
    books = [book(ts, 100.0 + n % 3, 102.0 + n % 3, n + 1) for n, ts in enumerate(times)]
    enrich(feeds(tmp_path, [fill(T + at / 4) for at in moments], books))
    for one in fills_of(tmp_path):
        before = [(ts, 101.0 + n % 3) for n, ts in enumerate(times) if ts < one["ts"]]
        fresh = before and one["ts"] - before[-1][0] <= 5 and one["ts"] <= times[-1]
        assert one["mid_now"] == (before[-1][1] if fresh else None)


def test_the_command_says_its_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feeds(tmp_path, [fill(T + 3.5), fill(T + 40)], BOOKS)
    assert run(["enrich", "--feeds", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "mid_now: 1 joined, 0 already present, 1 unknown" in said.out
    assert "1 of 2 fills have no mid" in said.err
    assert run(["enrich", "--feeds", str(tmp_path / "no")]) == 3


def test_an_import_can_enrich_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = feeds(tmp_path / "feeds", [], BOOKS)
    trade = {
        "symbol": "X", "id": 1, "orderId": 2, "price": "100", "qty": "1", "commission": "0", "commissionAsset": "Y",
        "time": int(T * 1000) + 3500, "isBuyer": True, "isMaker": True,
    }  # fmt: skip
    (tmp_path / "mine.json").write_text(json.dumps([trade]))
    assert run(["import", "binance-spot", str(tmp_path / "mine.json"), "--out", str(place), "--enrich"]) == 0
    assert fills_of(place)[0]["mid_now"] == 104.0
    assert "mid_now: 1 joined" in capsys.readouterr().out


def test_a_packed_day_of_many_blocks_keeps_every_line(tmp_path: Path) -> None:
    lines = [fill(T + 3.5, order_id=str(n)) for n in range(3000)]
    feeds(tmp_path, lines, BOOKS)
    path = tmp_path / "fills_20250101.jsonl"
    packed = tmp_path / "fills_20250101.jsonl.zst"
    packed.write_bytes(zstandard.compress(path.read_bytes() + b"{damaged\r\n"))
    path.unlink()
    found = enrich(tmp_path)
    text = zstandard.ZstdDecompressor().stream_reader(packed.read_bytes()).read()
    assert text.endswith(b"}\n{damaged\r\n")
    made = [json.loads(line) for line in text.splitlines()[:-1]]
    assert [(one["order_id"], one["mid_now"]) for one in made] == [(str(n), 104.0) for n in range(3000)]
    assert found.joined["mid_now"] == 3000


def test_what_a_fill_has_keeps_its_text(tmp_path: Path) -> None:
    feeds(tmp_path, [], BOOKS)
    path = tmp_path / "fills_20250101.jsonl"
    known = (
        f'"ts": {T + 3.5!r}, "symbol":"X","side":"buy","price":100.0,"qty":0.10000000000000000555,"liquidity":"maker"'
    )
    odd = r'"own": 123456789012345678901234567, "own": -0.0, "text": "\u00e9\/"'
    path.write_bytes(f'{{{known}, "mid_now": null, {odd} }}\r\n{{{known},{odd}}}'.encode())
    assert enrich(tmp_path).joined["mid_now"] == 2
    expected = f'{{{known}, "mid_now": 104.0, {odd} }}\r\n{{{known},{odd},"mid_now":104.0}}'
    assert path.read_bytes() == expected.encode()
