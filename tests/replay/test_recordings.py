"""What recordings do to a replay: each oddity is handled, counted and said."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from calib.errors import MixedNumbering, NoFeeds, NoLines, NoSuchSymbol, TooManyRejects, TruncatedInput, UsageError
from calib.exchange_sim.faults import Fault
from calib.market import MDCacheConfig
from calib.replay.latencies import LatencyChoice
from calib.replay.run import run_replay
from calib.replay.settings import ReplaySettings
from calib.replay.sources import EventKind, Sources
from calib.reports.replay import replay_text
from tests.replay.recording import START, STREAMED, delta, fill, snapshot, tick, trade, write

FAST = LatencyChoice("constant", (2.0,))
CALLBACK = ReplaySettings(md_cache=STREAMED, fill="callback", latency=FAST)
STREAM = ReplaySettings(latency=FAST)
OPEN = snapshot(0.0, 10, [(100, 1)], [(102, 1)])


def steps(count: int, every: float = 0.1, first: int = 11) -> list[Any]:
    return [delta(n * every, first + n - 1, bids=[(100, 1 + n)]) for n in range(1, count)]


def replay(directory: Path, settings: ReplaySettings = CALLBACK, **feeds: Any) -> Any:
    return run_replay(write(directory, **feeds), settings).data


def test_at_equal_times_book_then_trades_then_ticks_then_fills_then_the_line(tmp_path: Path) -> None:
    write(
        tmp_path,
        fills=[fill(1.0), fill(1.0, qty=2.0)],
        pipeline_ticks=[tick(1.0)],
        trades=[trade(1.0)],
        book=[snapshot(1.0, 1, [], []), delta(1.0, 2)],
    )
    events = list(Sources(tmp_path).events())
    assert [(event.kind, event.line) for event in events] == [
        (EventKind.BOOK, 1), (EventKind.BOOK, 2), (EventKind.TRADES, 1),
        (EventKind.TICKS, 1), (EventKind.FILLS, 1), (EventKind.FILLS, 2),
    ]  # fmt: skip


def test_ticks_out_of_order_are_sorted_and_book_lines_keep_their_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        pipeline_ticks=[tick(0.3), tick(0.1), tick(0.2)],
        book=[snapshot(0.0, 1, [], []), delta(0.5, 2), delta(0.4, 3), delta(0.6, 4)],
    )
    sources = Sources(tmp_path)
    events = list(sources.events())
    assert [event.line for event in events if event.kind == EventKind.TICKS] == [2, 3, 1]
    book = [
        (event.record.update_id, round(event.us / 1e6 - START, 6)) for event in events if event.kind == EventKind.BOOK
    ]
    assert book == [(1, 0.0), (2, 0.5), (3, 0.5), (4, 0.6)]
    assert (sources.late["book"].lines, sources.late["book"].max_s) == (1, 0.1)


def test_a_late_book_line_is_said(tmp_path: Path) -> None:
    data = replay(tmp_path, book=[OPEN, delta(0.5, 11), delta(0.4, 12), delta(0.6, 13)])
    assert data["recording"]["late"] == {"book": {"lines": 1, "max_s": 0.1}}
    assert (
        "Behind the time of a line before them, by up to 0.1 s, and taken at that line's time: 1 line of book."
    ) in data["notes"]


def test_a_feed_that_ends_in_the_middle_of_a_line(tmp_path: Path) -> None:
    write(tmp_path, book=[OPEN, *steps(5)])
    path = tmp_path / "book_20250101.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    data = run_replay(tmp_path, CALLBACK).data
    assert data["inputs"][0]["rejected"] == {"partial_tail": 1}
    assert data["recording"]["lines"]["book"] == 4
    assert "book_20250101.jsonl ends in the middle of a line; that line was left out." in data["notes"]


def test_a_cut_compressed_feed_is_refused(tmp_path: Path) -> None:
    write(tmp_path, book=[OPEN, *steps(200)])
    path = tmp_path / "book_20250101.jsonl"
    (tmp_path / "book_20250101.jsonl.gz").write_bytes(gzip.compress(path.read_bytes())[:-30])
    path.unlink()
    with pytest.raises(TruncatedInput):
        run_replay(tmp_path, CALLBACK)


def test_ticks_of_a_symbol_without_a_book_are_counted_and_not_read(tmp_path: Path) -> None:
    data = replay(tmp_path, book=[OPEN, *steps(5)], pipeline_ticks=[tick(0.3), tick(0.3, symbol="NOBODY")])
    assert data["overall"]["reads"] == 1
    assert data["recording"]["ticks_without_book"] == {"NOBODY": 1}
    assert "Left out: 1 tick; there is no recorded book of NOBODY." in data["notes"]


def test_a_use_case_that_is_not_known_is_counted_and_read_as_pricing(tmp_path: Path) -> None:
    ticks = [tick(0.2, "wishful"), tick(0.3, None)]
    data = replay(tmp_path, book=[OPEN, *steps(5)], pipeline_ticks=ticks)
    assert data["overall"]["by_use_case"]["pricing"]["reads"] == 2
    assert data["recording"]["unknown_use_cases"] == {"wishful": 1}


def test_after_a_gap_of_the_recording_the_truth_is_unknown_until_the_next_snapshot(tmp_path: Path) -> None:
    book = [
        OPEN,
        *steps(10),
        delta(1.0, 500),
        snapshot(2.0, 600, [(50, 1)], [(52, 1)]),
        delta(2.1, 601),
        delta(7.9, 602),
    ]
    # The last tick lies past the 5 s for which anything cached may be served.
    data = replay(tmp_path, book=book, pipeline_ticks=[tick(0.5), tick(1.5), tick(1.6), tick(8.0)])
    assert data["recording"]["truth"]["X"]["counts"]["ws_gap"] == 1
    # The first snapshot is bridged by the delta of 0.1 s; the second, after the gap of 1.0 s, by that of 2.1 s.
    assert data["recording"]["truth"]["X"]["unknown_s"] == pytest.approx(0.1 + 1.1)
    cost = data["overall"]["staleness"]
    # The ticks of 1.5 and 1.6 s lie in the hole: they are not reads, and so neither hits nor misses.
    assert (data["overall"]["reads"], data["overall"]["reads_in_holes"]) == (2, 2)
    assert (cost["judged"], cost["without_truth"] + cost["without_book"]) == (2, 0)
    assert data["overall"]["staleness"]["error_bps"]["max"] == 0.0
    assert any(note.startswith("The recording of X is broken (1 ws_gap)") for note in data["notes"])


def test_a_negative_clock_lag_is_counted_and_said(tmp_path: Path) -> None:
    late = [delta(0.1, 11, ts_exchange=START + 1.37), delta(0.2, 12, ts_exchange=START + 0.19)]
    data = replay(tmp_path, book=[OPEN, *late])
    assert data["recording"]["negative_lag"] == 1
    assert data["recording"]["min_lag_s"] == pytest.approx(-1.27)
    assert any("down to -1270 ms" in note for note in data["notes"])


def test_a_snapshot_after_the_deltas_is_bridged_to_them(tmp_path: Path) -> None:
    book = [
        delta(0.00, 11, bids=[(101, 1)]),
        delta(0.01, 12, bids=[(101, 2)]),
        snapshot(0.02, 11, [(101, 1)], [(102, 1)]),
    ]
    data = replay(tmp_path, book=[*book, delta(0.03, 13)], pipeline_ticks=[tick(0.1)])
    assert data["overall"]["staleness"]["judged"] == 1
    assert data["recording"]["truth"]["X"]["unknown_s"] == pytest.approx(0.02)


def test_two_sessions_in_one_file_each_with_its_snapshot(tmp_path: Path) -> None:
    second = [snapshot(10.0, 7000, [(200, 1)], [(202, 1)]), *[delta(10 + n / 10, 7000 + n) for n in range(1, 10)]]
    data = replay(tmp_path, book=[OPEN, *steps(10), *second], pipeline_ticks=[tick(0.5), tick(10.5)])
    assert data["overall"]["staleness"]["judged"] == 2
    assert data["recording"]["truth"]["X"]["counts"] == {"behind": 1}


def test_lines_without_ids_are_taken_in_their_order(tmp_path: Path) -> None:
    book = [snapshot(0.0, None, [(100, 1)], [(102, 1)])]
    book += [delta(n / 10, None, bids=[(100, n)], first_update_id=None) for n in range(1, 20)]
    data = replay(tmp_path, STREAM, book=book, pipeline_ticks=[tick(1.0)])
    assert data["overall"]["statuses"]["fresh"] == 1
    assert data["overall"]["staleness"]["error_bps"]["max"] == 0.0
    assert data["overall"]["requests"] == 0  # the venue pushes its snapshots: none has to be asked for


def test_books_numbered_in_different_ways_are_refused(tmp_path: Path) -> None:
    futures = [snapshot(0.0, 5, [(1, 1)], [(2, 1)], "F"), delta(0.1, 9, symbol="F", prev_update_id=5)]
    write(tmp_path, book=[OPEN, futures[0], *steps(2), futures[1]])
    with pytest.raises(MixedNumbering, match=r"previous.*range|range.*previous"):
        run_replay(tmp_path, CALLBACK)
    assert run_replay(tmp_path, CALLBACK, symbols=["F"]).data["settings"]["sequence_rule"] == "previous"


def test_a_range_begins_with_the_book_that_was_known_by_then(tmp_path: Path) -> None:
    write(tmp_path, book=[OPEN, *steps(50)], pipeline_ticks=[tick(1.0), tick(3.0), tick(4.5)])
    data = run_replay(tmp_path, CALLBACK, start=START + 2.0, end=START + 4.0).data
    assert (data["overall"]["reads"], data["overall"]["staleness"]["judged"]) == (1, 1)
    assert data["range"]["from"] == "2025-01-01T00:00:02Z"
    assert data["recording"]["lines"]["book"] == 20


def test_the_book_of_the_day_before_is_known_at_midnight(tmp_path: Path) -> None:
    write(tmp_path, book=[delta(86_399.9 + n / 10, 11 + n) for n in range(1, 30)])
    (tmp_path / "book_20250101.jsonl").rename(tmp_path / "book_20250102.jsonl")
    write(tmp_path, book=[snapshot(86_399.0, 10, [(100, 1)], [(102, 1)]), delta(86_399.9, 11)])
    settings = ReplaySettings(md_cache=STREAMED, fill="callback", latency=FAST, read_every_us=1_000_000)
    data = run_replay(tmp_path, settings, start=START + 86_401.0).data
    assert data["overall"]["staleness"]["judged"] == data["overall"]["reads"] == 2
    assert [entry["file"] for entry in data["inputs"]] == ["book_20250101.jsonl", "book_20250102.jsonl"]


def test_without_ticks_reads_are_scheduled_and_a_silent_recording_gets_none(tmp_path: Path) -> None:
    later = [delta(1000 + n / 10, 30 + n) for n in range(1, 12)]
    data = replay(tmp_path, book=[OPEN, *steps(21), *later])
    # Every 100 ms from the moment at which the book is known: 0.1 ... 2.0, and 1000.1 ... 1001.1.
    assert data["overall"]["reads"] == 20 + 11
    assert (data["recording"]["silences"], data["settings"]["read_every_ms"]) == (1, 100.0)
    assert "Reads were made every 100 ms, not at recorded ticks." in data["notes"]


def test_ticks_after_the_recording_has_fallen_silent_are_not_judged_by_its_last_book(tmp_path: Path) -> None:
    data = replay(tmp_path, book=[OPEN, *steps(11)], pipeline_ticks=[tick(0.5), tick(61.0), tick(61.1), tick(500.0)])
    assert data["overall"]["reads"] == 2  # the last line is that of 1.0 s
    assert data["recording"]["ticks_in_silence"] == {"X": 2}
    assert "Left out: 2 ticks of X; its recording had said nothing for a minute or more." in data["notes"]


def test_expanded_reads_are_evenly_spaced_between_sampled_ticks(tmp_path: Path) -> None:
    ticks = [tick(0.2, sample_rate=4), tick(0.6, sample_rate=4), tick(0.7, sample_rate=1)]
    settings = ReplaySettings(md_cache=STREAMED, fill="callback", latency=FAST, expand=True)
    data = replay(tmp_path, settings, book=[OPEN, *steps(20)], pipeline_ticks=ticks)
    assert data["overall"]["reads"] == 3 + 3 + 3  # 0.3 0.4 0.5, then 0.625 0.65 0.675
    assert data["recording"]["reads_added"] == 6
    assert "Put between sampled ticks, evenly spaced: 6 reads." in data["notes"]


def test_recorded_latency_is_that_of_the_misses(tmp_path: Path) -> None:
    ticks = [
        tick(0.2, cache_hit=False, stage_latencies={"fetch_md": 30.0}),
        tick(0.25, cache_hit=True, stage_latencies={"fetch_md": 0.1}),
        tick(9.0, cache_hit=False, stage_latencies={"fetch_md": 50.0}),
    ]
    settings = ReplaySettings(md_cache=STREAMED, fill="callback", latency=LatencyChoice.parse("recorded"))
    data = replay(tmp_path, settings, book=[OPEN, *steps(100)], pipeline_ticks=ticks)
    assert data["settings"]["latency"] == "recorded"
    # Reads of 0.2 and 9.0 wait, 30 and 50 ms in turn; that of 0.25 is served at once.
    assert data["overall"]["fetch_md_ms"]["with_cache"]["p99"] == pytest.approx(30 + 0.98 * 20)
    assert data["overall"]["fetch_md_ms"]["without_cache"]["p50"] == 30.0  # of 30, 50, 30


def test_a_gap_on_the_way_costs_a_resync_and_no_wrong_price(tmp_path: Path) -> None:
    settings = ReplaySettings(latency=FAST, faults=(Fault.parse("gap@2+0.25"),))
    reads = [n / 10 + 0.05 for n in (*range(10, 18), *range(25, 58))]
    data = replay(tmp_path, settings, book=[OPEN, *steps(60)], pipeline_ticks=[tick(at) for at in reads])
    stream = data["overall"]["stream"]
    assert (stream["gaps"], data["overall"]["invalidations"]) == (1, {"ws_gap": 1})
    assert data["recording"]["messages_lost"] == 3
    assert data["overall"]["staleness"]["error_bps"]["max"] == 0.0  # the size at the best bid moves, never its price
    assert stream["out_of_sync_s"] > 0


def test_what_a_silence_holds_back_arrives_when_it_ends(tmp_path: Path) -> None:
    book = [OPEN, *steps(20), delta(2.0, 30, bids=[(101, 1)])]
    book += [delta(2.0 + n / 10, 30 + n) for n in range(1, 30)]
    settings = ReplaySettings(latency=FAST, faults=(Fault.parse("silence@1.95+1"),))
    ticks = [tick(1.5), tick(2.2, "general"), tick(4.0)]
    data = replay(tmp_path, settings, book=book, pipeline_ticks=ticks)
    assert data["recording"]["messages_held_back"] == 10
    assert data["overall"]["stream"]["gaps"] == 0
    by_use_case = data["overall"]["by_use_case"]
    assert by_use_case["general"]["staleness"]["error_bps"]["max"] == pytest.approx(0.5 / 101.5 * 1e4)
    assert by_use_case["pricing"]["staleness"]["error_bps"]["max"] == 0.0


def test_a_frame_that_was_not_recorded_but_that_a_tick_tells_of_is_a_sign_of_life(tmp_path: Path) -> None:
    """A frame each 250 ms; the tick 200 ms after one heard something 5 ms before: a ping, say."""
    book = [OPEN, *steps(20, 0.25)]
    told = replay(tmp_path, STREAM, book=book, pipeline_ticks=[tick(4.2, ws_gap_ms=5.0)])["overall"]
    assert (told["statuses"]["fresh"], told["age_ms"]["p50"]) == (1, pytest.approx(5.0))
    untold = replay(tmp_path, STREAM, book=book, pipeline_ticks=[tick(4.2)])["overall"]
    assert (untold["statuses"]["stale"], untold["age_ms"]["p50"]) == (1, pytest.approx(200.0))


def test_a_reconnect_voids_the_book(tmp_path: Path) -> None:
    settings = ReplaySettings(latency=FAST, faults=(Fault.parse("reconnect@2+0.5"),))
    data = replay(tmp_path, settings, book=[OPEN, *steps(60)], pipeline_ticks=[tick(1.5), tick(5.0)])
    assert data["overall"]["invalidations"] == {"reconnect": 1}
    assert data["recording"]["messages_lost"] > 0
    assert data["overall"]["statuses"]["fresh"] == 2


@pytest.mark.parametrize("kind", ["rest-error", "rest-timeout"])
def test_a_venue_that_does_not_answer_leaves_readers_without_a_book(tmp_path: Path, kind: str) -> None:
    settings = ReplaySettings(
        md_cache=MDCacheConfig(refresh_timeout_ms=100),
        fill="callback",
        latency=FAST,
        faults=(Fault.parse(f"{kind}@0+10"),),
    )
    data = replay(tmp_path, settings, book=[OPEN, *steps(30)], pipeline_ticks=[tick(1.0), tick(2.0)])
    assert data["overall"]["statuses"]["unavailable"] == 2
    assert data["overall"]["staleness"]["without_book"] == 2
    assert data["overall"]["hit_ratio"] == 0.0


def test_a_price_jump_cannot_be_replayed() -> None:
    with pytest.raises(UsageError, match="price-jump"):
        ReplaySettings(faults=(Fault.parse("price-jump@1"),))


def test_without_a_book_feed_there_is_nothing_to_replay(tmp_path: Path) -> None:
    write(tmp_path, pipeline_ticks=[tick(1.0)])
    with pytest.raises(NoFeeds, match="no book feed"):
        run_replay(tmp_path, CALLBACK)


def test_a_range_or_a_symbol_without_lines_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, book=[OPEN, *steps(5)])
    with pytest.raises(NoLines):
        run_replay(tmp_path, CALLBACK, start=START + 100.0)
    with pytest.raises(NoFeeds):
        run_replay(tmp_path, CALLBACK, end=START - 100_000.0)
    with pytest.raises(NoSuchSymbol, match="NOBODY"):
        run_replay(tmp_path, CALLBACK, symbols=["X", "NOBODY"])


def test_too_many_bad_lines_end_the_run_and_few_are_counted(tmp_path: Path) -> None:
    write(tmp_path, book=[OPEN, *steps(5)])
    path = tmp_path / "book_20250101.jsonl"
    path.write_text("no json\n" + path.read_text())
    with pytest.raises(TooManyRejects):
        run_replay(tmp_path, CALLBACK)
    data = run_replay(tmp_path, CALLBACK, max_reject_ratio=0.5).data
    assert data["inputs"][0]["rejected"] == {"bad_json": 1}


def test_the_figures_of_integrity_stand_by_symbol_and_add_up(tmp_path: Path) -> None:
    """The connection drops under both symbols; before that only X loses updates."""
    other = [{**line, "symbol": "Y"} for line in (OPEN, *steps(60))]
    faults = tuple(map(Fault.parse, ("gap@2+0.25:X", "reconnect@4+0.5")))
    ticks = [tick(n / 10 + 0.05, symbol=symbol) for n in range(10, 58) for symbol in "XY"]
    settings = ReplaySettings(latency=FAST, faults=faults)
    data = replay(tmp_path, settings, book=sorted([OPEN, *steps(60), *other], key=_ts), pipeline_ticks=ticks)
    x, y = data["symbols"]["X"], data["symbols"]["Y"]
    assert x["invalidations"] == {"reconnect": 1, "ws_gap": 1}
    assert y["invalidations"] == {"reconnect": 1}
    assert data["overall"]["invalidations"] == {"reconnect": 2, "ws_gap": 1}
    assert (x["stream"]["gaps"], y["stream"]["gaps"], data["overall"]["stream"]["gaps"]) == (1, 0, 1)
    summed = ("reads", "hits", "depth_misses", "pricing_on_stale", "used_stale", "sequence_gaps")
    assert {name: x[name] + y[name] for name in summed} == {name: data["overall"][name] for name in summed}
    assert x["hits"] == x["statuses"]["fresh"] + x["statuses"]["stale"] == x["by_use_case"]["pricing"]["hits"]
    assert x["hit_ratio"] == x["hits"] / x["reads"]
    for name in ("rewinds", "resyncs", "out_of_sync_s"):
        assert data["overall"]["stream"][name] == pytest.approx(x["stream"][name] + y["stream"][name])
    text = " ".join(replay_text(data).split())
    assert "| `X` | 1 | 0 |" in text
    assert "| reconnect 1, ws_gap 1 |" in text
    assert "| reconnect 2, ws_gap 1 |" in text


def _ts(line: Any) -> Any:
    return line["ts"]


def test_what_the_cache_forgot_of_a_symbol_is_null_and_said(tmp_path: Path) -> None:
    other = [{**line, "symbol": "Y", "ts": line["ts"] + 10} for line in (OPEN, *steps(30))]
    settings = ReplaySettings(md_cache=MDCacheConfig(max_symbols=1), latency=FAST)
    data = replay(
        tmp_path, settings, book=[OPEN, *steps(30), *other], pipeline_ticks=[tick(1.0), tick(12.0, symbol="Y")]
    )
    assert data["symbols"]["X"]["invalidations"] is None
    assert data["symbols"]["Y"]["invalidations"] == {}
    assert any("The cache let symbols go 1 time (" in note for note in data["notes"])


@pytest.mark.parametrize("kind", ["silence", "gap", "reconnect"])
def test_a_fault_of_the_stream_changes_nothing_where_a_callback_fills_the_cache_and_that_is_said(
    tmp_path: Path, kind: str
) -> None:
    feeds = {"book": [OPEN, *steps(60)], "pipeline_ticks": [tick(n / 10 + 0.05) for n in range(10, 58)]}
    faults = (Fault.parse(f"{kind}@2+1"), Fault.parse("rest-error@4+0.5"))
    with_it = replay(tmp_path, ReplaySettings(md_cache=STREAMED, fill="callback", latency=FAST, faults=faults), **feeds)
    without = replay(
        tmp_path, ReplaySettings(md_cache=STREAMED, fill="callback", latency=FAST, faults=faults[1:]), **feeds
    )
    assert with_it["overall"] == without["overall"]
    assert with_it["overall"]["requests_refused"] > 0
    assert with_it["settings"]["faults_without_effect"] == [f"{kind}@2+1"]
    assert without["settings"]["faults_without_effect"] == []
    said = [note for note in with_it["notes"] if note not in without["notes"]]
    assert len(said) == 1
    assert f"Without effect: {kind}@2+1." in said[0]
    text = " ".join(replay_text(with_it).split())
    assert f"| `faults_without_effect` | `{kind}@2+1` |" in text
    stream = replay(tmp_path, ReplaySettings(latency=FAST, faults=faults), **feeds)
    assert stream["settings"]["faults_without_effect"] == []


@pytest.mark.parametrize("latency", [LatencyChoice(), LatencyChoice("recorded", (1.0,))])
@pytest.mark.parametrize("read_every_us", [None, 20_000])
def test_progress_is_a_share_of_the_feeds_and_comes_to_one(
    tmp_path: Path, latency: LatencyChoice, read_every_us: int | None
) -> None:
    wide = {"bids": [[100 - n / 100, 1.5] for n in range(200)]}
    ticks = [tick(n / 100, stage_latencies={"fetch_md": 2.0}) for n in range(4000)]
    feeds = write(tmp_path, book=[OPEN, *(line | wide for line in steps(4000, 0.01))], pipeline_ticks=ticks)
    told: list[float] = []
    settings = ReplaySettings(md_cache=STREAMED, fill="callback", latency=latency, read_every_us=read_every_us)
    run_replay(feeds, settings, progress=told.append)
    assert sum(told) == pytest.approx(1.0)
    assert min(told) >= 0
    assert max(told) < 1  # not all at once
