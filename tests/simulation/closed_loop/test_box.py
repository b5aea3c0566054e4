"""The bot in a box: the real parts against the simulated venue, and what comes out of the mechanism."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calib.exchange_sim.faults import Fault
from calib.feeds.schema.table import FEEDS
from calib.feeds.schema.validation import judge_record
from calib.limits import Limit
from calib.market import BookStream, Connection, Delta, MDCacheConfig, Snapshot, StreamSettings
from calib.market.cache.quantile import quantile
from calib.simulation.closed_loop.compare import compare
from calib.simulation.closed_loop.figures import LIMITS, Figures, check_figures
from calib.simulation.closed_loop.hour import ClosedLoopHour
from calib.simulation.closed_loop.settings import ClosedLoopSettings
from calib.simulation.closed_loop.tally import TickTally
from calib.simulation.instruments import first_names
from calib.simulation.plan import SimulationPlan

START = 1_735_765_200  # 2025-01-01T21:00:00Z
Lines = list[tuple[str, dict[str, Any]]]


def _run(
    *, seconds: float = 60, symbols: int = 4, faults: tuple[str, ...] = (), **settings: Any
) -> tuple[ClosedLoopHour, TickTally, Lines]:
    lines: Lines = []
    chosen = ClosedLoopSettings(faults=tuple(Fault.parse(text) for text in faults), **settings)
    hour = ClosedLoopHour(
        1,
        first_names(symbols),
        START,
        chosen,
        lambda kind, record: lines.append((kind, record)),
        length_s=seconds,
        incidents=False,
    )
    return hour, hour.run(), lines


def _ticks(lines: Lines) -> list[dict[str, Any]]:
    return [record for kind, record in lines if kind == "pipeline_ticks"]


def test_every_line_is_valid_and_in_order_of_time() -> None:
    _, tally, lines = _run(seconds=120, record=("BTCUSDT",), record_s=60)
    kinds = Counter(kind for kind, _ in lines)
    assert set(kinds) == set(FEEDS)
    assert kinds["pipeline_ticks"] == tally.ticks
    for kind in kinds:
        # A tick is stamped with its start and logged at its end: in order symbol by symbol, not across them.
        for symbols in [[name] for name in first_names(4)] if kind == "pipeline_ticks" else [first_names(4)]:
            times = [record["ts"] for other, record in lines if other == kind and record["symbol"] in symbols]
            assert times == sorted(times)
    for kind, record in lines:
        assert judge_record(FEEDS[kind], record) is None


def test_the_stream_keeps_every_read_fresh_and_true() -> None:
    hour, tally, _ = _run()
    reads = hour.cache_summary["reads"]
    assert reads["fresh"] + reads["miss"] + reads["coalesced"] == tally.ticks
    assert reads["miss"] + reads["coalesced"] <= 4  # the first of each symbol
    assert tally.stale == 0
    assert float(np.median(tally.error_bps)) == 0.0
    assert hour.cache_summary["invalidations"] == {}


def test_without_a_cache_every_tick_pays_the_venues_latency() -> None:
    hour, tally, lines = _run(cache="off")
    assert {tick["status"] for tick in _ticks(lines)} == {"direct"}
    assert hour.cache_summary["reads"]["direct"] == 0  # the stage went around the cache
    assert quantile(sorted(tally.fetch_ms), 0.5) == pytest.approx(36.2, abs=4)
    assert max(tally.error_bps) > 0


def test_in_shadow_the_direct_answer_is_used_and_the_caches_is_logged() -> None:
    _, tally, lines = _run(cache="shadow")
    ticks = _ticks(lines)[8:]
    assert all(tick["cache_hit"] for tick in ticks)
    assert all(tick["fetch_md_cache_ms"] == 0 for tick in ticks)  # a hit takes no virtual time
    assert all(tick["stage_latencies"]["fetch_md"] > 10 for tick in ticks)
    assert quantile(sorted(tally.fetch_ms), 0.5) == pytest.approx(36.2, abs=4)


def test_a_callback_that_fills_the_cache_serves_books_of_the_tick_before() -> None:
    hour, tally, _ = _run(fill="callback", md_cache=MDCacheConfig(refresh_source="stream"))
    reads = hour.cache_summary["reads"]
    assert reads["stale"] == tally.ticks - 4
    assert tally.stale > 0.9 * tally.ticks
    assert float(np.median(tally.error_bps)) > 0.1


def test_a_gap_is_found_resynced_and_never_served() -> None:
    hour, tally, _ = _run(faults=("gap@20+3:BTCUSDT",))
    assert hour.cache_summary["invalidations"]["ws_gap"] >= 1
    assert float(np.quantile(tally.error_bps, 0.9)) == 0.0


def test_a_reconnect_voids_the_books_and_they_come_back() -> None:
    hour, _, lines = _run(faults=("reconnect@20+2",))
    assert hour.cache_summary["invalidations"].get("reconnect", 0) >= 1
    late = [tick["status"] for tick in _ticks(lines) if tick["ts"] > START + 30]
    assert set(late) == {"fresh"}


def test_a_silence_is_measured_the_socket_replaced_and_fresh_books_return() -> None:
    _, _, lines = _run(seconds=90, faults=("silence@20+30",))
    during = [tick for tick in _ticks(lines) if START + 27 < tick["ts"] < START + 49]
    assert during
    assert not any(tick["status"] == "fresh" for tick in during)
    assert max(tick["ws_gap_ms"] for tick in during) > 25_000
    assert {tick["status"] for tick in _ticks(lines) if tick["ts"] > START + 60} == {"fresh"}


def test_a_venue_that_refuses_costs_ticks_only_where_there_is_no_cache() -> None:
    _, without, _ = _run(cache="off", faults=("rest-error@20+20",))
    _, through, _ = _run(faults=("rest-error@20+20",))
    # 20 s of four symbols that tick every 2 s, but for those that ask just before or after
    assert through.ticks >= without.ticks + 36


def test_a_price_jump_is_in_the_books_that_are_read() -> None:
    _, _, lines = _run(seconds=40, symbols=1, faults=("price-jump@20+500",))
    before, after = (
        [tick["mid"] for tick in _ticks(lines) if low < tick["ts"] - START < high] for low, high in ((15, 20), (20, 25))
    )
    assert min(after) - max(before) > 30  # 500 ticks of 0.1, less what the market does by itself


def test_the_recorded_book_is_whole() -> None:
    _, _, lines = _run(record=("BTCUSDT",), record_s=40)
    book = [record for kind, record in lines if kind == "book"]
    assert book[0]["type"] == "snapshot"
    assert sum(record["type"] == "delta" for record in book) > 150
    stream = BookStream(
        "BTCUSDT",
        Connection("replayed", silence_ns=10**12),
        random=lambda: 0.5,
        settings=StreamSettings(sequence_rule="range"),
    )
    stream.connect(0)
    stream.resync_started(stream.epoch, 0)
    for number, record in enumerate(book, start=1):
        if record["type"] == "snapshot":
            whole = Snapshot(record["bids"], record["asks"], record["update_id"], epoch=stream.epoch)
            if not stream.live:
                stream.on_snapshot(whole, number)
        else:
            delta = Delta(record["bids"], record["asks"], record["update_id"], first_id=record["first_update_id"])
            stream.on_delta(delta, number)
    assert stream.live
    assert stream.counts["ws_gap"] == 0
    # What the ticks saw at an update id is what the recording rebuilds to at that id: the last one is compared.
    last = [tick for tick in _ticks(lines) if tick["symbol"] == "BTCUSDT" and tick["update_id"] == stream.last_id]
    view = stream.view(1)
    assert view is not None
    assert all((tick["bid"], tick["ask"]) == (view.bids[0][0], view.asks[0][0]) for tick in last)


def test_fills_reconcile_with_quotes_and_inventory_stays_within_its_limit() -> None:
    _, _, lines = _run(seconds=300, symbols=2)
    filled: Counter[tuple[str, str]] = Counter()
    held: dict[str, float] = {}
    for kind, record in lines:
        if kind == "fills":
            filled[record["symbol"], record["quote_id"]] += round(record["qty"] * 1e6)
            sign = 1 if record["side"] == "buy" else -1
            held[record["symbol"]] = held.get(record["symbol"], 0.0) + sign * record["qty"]
    quotes = {(record["symbol"], record["quote_id"]): record for kind, record in lines if kind == "quotes"}
    assert len(filled) > 5
    for name, micro_lots in filled.items():
        assert round(quotes[name]["qty_filled"] * 1e6) == micro_lots
        assert quotes[name]["qty_filled"] <= quotes[name]["qty"]
    for symbol, qty in held.items():
        size = next(record["qty"] for record in quotes.values() if record["symbol"] == symbol)
        assert abs(qty) <= 6 * size


def test_the_same_hour_gives_the_same_lines_in_another_process_with_another_hash_seed() -> None:
    script = (
        "import hashlib, json, sys; from calib.simulation.closed_loop.hour import ClosedLoopHour;"
        "from calib.simulation.closed_loop.settings import ClosedLoopSettings; h = hashlib.sha256();"
        "ClosedLoopHour(1, ['BTCUSDT', 'ETHUSDT', 'AAA'], 1735765200, ClosedLoopSettings(record=('BTCUSDT',)),"
        "lambda k, r: h.update(json.dumps([k, r]).encode()), length_s=60).run(); print(h.hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).resolve().parents[3],
        ).stdout
        for seed in ("0", "1")
    }
    assert len(digests) == 1


def _plan(minutes: float, **settings: Any) -> SimulationPlan:
    return SimulationPlan(
        tuple(first_names(10)), START, START + minutes * 60, incidents=False, box=ClosedLoopSettings(**settings)
    )


def test_the_gate_passes_a_cache_that_lives_by_the_stream() -> None:
    done = compare(_plan(3))
    assert done.passed
    assert done.before.fetch_md_p95_ms == pytest.approx(55, abs=5)
    assert done.before.tick_total_p95_ms == pytest.approx(145, abs=10)
    assert done.after.fetch_md_p95_ms is not None
    assert done.after.fetch_md_p95_ms < 1


def test_the_gate_fails_a_broken_set_up() -> None:
    """The figures come out of the mechanism: nothing but the set-up differs from the run that passes."""
    broken = MDCacheConfig(ttl_ms=10, stale_ok=False)
    done = compare(_plan(2, fill="callback", md_cache=broken))
    failed = {judged.limit.name for judged in done.gate if not judged.passed}
    assert {"hit_ratio", "fetch_md_p95_ms", "fetch_md_p95_gain_ms"} <= failed


def test_figures_are_numpys() -> None:
    random = np.random.default_rng(1)
    tally = TickTally(list(random.random(101)), list(random.random(101)), list(random.random(50)), 101, 70, 5, 2, 51)
    figures = Figures.of(tally)
    assert figures.fetch_md_p99_ms == pytest.approx(float(np.quantile(tally.fetch_ms, 0.99)))
    assert figures.tick_total_p95_ms == pytest.approx(float(np.quantile(tally.total_ms, 0.95)))
    assert figures.stale_error_max_bps == max(tally.error_bps)
    assert (figures.hit_ratio, figures.pricing_on_stale_ratio) == (70 / 101, 5 / 101)


def test_nothing_measured_passes_no_gate() -> None:
    judged = check_figures(Figures.of(TickTally()), Figures.of(TickTally()))
    assert len(judged) == len(LIMITS) == 6
    assert not any(rule.passed for rule in judged)


@pytest.mark.parametrize(("sign", "at"), [(">=", True), ("<=", True), ("<", False)])
def test_limits_at_their_edge(sign: str, at: bool) -> None:
    assert Limit("x", sign, 0.05).holds(0.05) is at


@pytest.mark.parametrize("bad", [{"cache": "maybe"}, {"fill": "magic"}, {"record_s": 0.0}, {"record_s": 4000.0}])
def test_settings_that_make_no_sense_are_refused(bad: dict[str, Any]) -> None:
    from calib.errors import UsageError

    with pytest.raises(UsageError):
        ClosedLoopSettings(**bad)
