"""Stale data's reads and fills: how each fill is judged, and figures worked by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calib.errors import NoLines, NoSuchSymbol
from calib.evaluation.policy_assessment import PolicyAssessment
from calib.evaluation.policy_feeds import AssessmentFeeds
from calib.reports.policy import assessment_text, digest, write_assessment

T0 = 1_735_689_600.0  # 2025-01-01


def tick(ts: float, *, symbol: str = "X", total_ms: float = 10.0, **more: Any) -> dict[str, Any]:
    return {"ts": ts, "symbol": symbol, "tick_total_ms": total_ms, "cache_hit": True, "deadline_miss": False, **more}


def fill(ts: float, *, symbol: str = "X", side: str = "buy", price: float = 100.0, **more: Any) -> dict[str, Any]:
    return {"ts": ts, "symbol": symbol, "side": side, "price": price, "qty": 1.0, "liquidity": "maker", **more}


def quote(ts: float, quote_id: str, *, symbol: str = "X", **more: Any) -> dict[str, Any]:
    return {
        "ts": ts,
        "quote_id": quote_id,
        "symbol": symbol,
        "side": "buy",
        "price": 100.0,
        "qty": 1.0,
        "ts_open": ts - 1,
        "ts_close": ts,
        "close_reason": "filled",
        "qty_filled": 1.0,
        **more,
    }


def assessed(
    directory: Path, *, fees: tuple[float, float] = (0.0, 0.0), **kinds: list[dict[str, Any]]
) -> PolicyAssessment:
    options = {name: kinds.pop(name) for name in ("start", "end", "symbols") if name in kinds}
    for kind, lines in kinds.items():
        for line in lines:
            day = "20250101" if line["ts"] < T0 + 86_400 else "20250102"
            with (directory / f"{kind}_{day}.jsonl").open("a") as handle:
                handle.write(json.dumps(line) + "\n")
    feeds = AssessmentFeeds(directory, **options)  # type: ignore[arg-type]
    return feeds.assess(maker_fee_bps=fees[0], taker_fee_bps=fees[1])[0]


def test_reads_are_counted_with_what_each_line_stands_for(tmp_path: Path) -> None:
    found = assessed(
        tmp_path,
        pipeline_ticks=[
            tick(T0 + 1, used_stale=True, sample_rate=10),
            tick(T0 + 2, used_stale=False, sample_rate=10),
            tick(T0 + 3, used_stale=True, sample_rate=1),
            tick(T0 + 4, sample_rate=5),
            tick(T0 + 5, used_stale=True),  # without a rate: 10
        ],
    )
    total = found.reads_total
    assert (total.lines, total.ticks, total.stale_lines, total.stale_ticks) == (5, 36, 3, 21)
    assert (total.unknown_lines, total.sampled_lines) == (1, 4)
    assert found.sampled


def test_the_fill_itself_wins_then_its_quote_then_the_tick_that_quoted(tmp_path: Path) -> None:
    ticks = [tick(T0 + 10, used_stale=True), tick(T0 + 20, used_stale=False)]
    found = assessed(
        tmp_path,
        pipeline_ticks=ticks,
        quotes=[quote(T0 + 21, "q1", used_stale=True), quote(T0 + 11.005, "q2", ts_open=T0 + 10.005)],
        fills=[
            fill(T0 + 30, used_stale=False, quote_id="q1", ts_quote=T0 + 10.005),  # says so itself: not stale
            fill(T0 + 31, quote_id="q1", ts_quote=T0 + 20.005),  # its quote says stale, the tick does not
            fill(T0 + 32, quote_id="q2"),  # the quote opened in the first tick: stale
            fill(T0 + 33, ts_quote=T0 + 20.012),  # 2 ms after the tick's end: its quote still; not stale
            fill(T0 + 34, ts_quote=T0 + 20.0121),  # later than that: no logged tick
            fill(T0 + 35),  # no time of its quote
        ],
    )
    assert found.sources == {"fill": 1, "quote": 1, "tick": 2}
    assert {name: one.fills for name, one in found.groups.items()} == {"stale": 2, "fresh": 2, "unknown": 2}
    assert found.unjoined == {"no_quote_time": 1, "no_tick": 1, "tick_unknown": 0}


def test_a_quote_id_counts_within_its_symbol_only(tmp_path: Path) -> None:
    found = assessed(
        tmp_path,
        quotes=[quote(T0 + 2, "q", symbol="Y", used_stale=True), quote(T0 + 2, "q", symbol="X", used_stale=False)],
        fills=[fill(T0 + 3, quote_id="q"), fill(T0 + 3, symbol="Y", quote_id="q")],
    )
    assert found.groups["fresh"].net_notional == {"X": 100.0}
    assert found.groups["stale"].net_notional == {"Y": 100.0}


def test_the_tick_of_another_symbol_does_not_count(tmp_path: Path) -> None:
    found = assessed(
        tmp_path,
        pipeline_ticks=[tick(T0 + 10, symbol="Y", used_stale=True), tick(T0 + 5, used_stale=False)],
        fills=[fill(T0 + 11, ts_quote=T0 + 10.001)],
    )
    assert found.unjoined["no_tick"] == 1


def test_a_tick_that_does_not_say_leaves_the_fill_unknown(tmp_path: Path) -> None:
    found = assessed(tmp_path, pipeline_ticks=[tick(T0 + 10)], fills=[fill(T0 + 11, ts_quote=T0 + 10.001)])
    assert found.unjoined == {"no_quote_time": 0, "no_tick": 0, "tick_unknown": 1}


def test_a_quote_of_the_day_before_finds_its_tick(tmp_path: Path) -> None:
    night = T0 + 86_400
    found = assessed(
        tmp_path,
        pipeline_ticks=[tick(night - 10, used_stale=True), tick(night + 1, used_stale=False)],
        fills=[fill(night + 2, ts_quote=night - 9.995)],
        start=night,  # type: ignore[arg-type]
        end=night + 86_400,  # type: ignore[arg-type]
    )
    assert found.groups["stale"].fills == 1
    assert found.reads_total.lines == 1  # reads are those of the range


def test_figures_worked_by_hand(tmp_path: Path) -> None:
    stale: dict[str, Any] = {"used_stale": True}
    found = assessed(
        tmp_path,
        fees=(1.0, 5.0),
        fills=[
            # buy 1 at 100, quoted 100, mid then 100, mid now 99.9: slippage 0, net -10 - 1
            fill(T0 + 1, quote_price=100.0, mid_at_quote=100.0, mid_now=99.9, **stale),
            # sell 3 at 99.9, quoted 100: slippage +10; mid 100 -> 100: net -10 - 5
            fill(
                T0 + 2, side="sell", price=99.9, qty=3.0, liquidity="taker", quote_price=100.0, mid_now=100.0, **stale
            ),
            # no mid and no quote price: in the number and notional, in neither mean
            fill(T0 + 3, symbol="Y", price=50.0, qty=2.0, **stale),
            fill(T0 + 4, quote_price=100.0, mid_at_quote=100.0, mid_now=100.1, fee_bps=0.0, used_stale=False),
        ],
    )
    group = found.groups["stale"]
    assert group.fills == 3
    assert group.notional == pytest.approx(100 + 299.7 + 100)
    assert group.net_notional == pytest.approx({"X": 100 - 299.7, "Y": 100})
    assert group.exposure == pytest.approx(299.7)
    assert group.slippage_bps == pytest.approx((100 * 0 + 299.7 * 10) / 399.7)
    assert group.net_bps == pytest.approx((100 * -11 + 299.7 * -15) / 399.7)
    assert found.groups["fresh"].net_bps == pytest.approx(10)
    assert found.difference("net_bps") == pytest.approx((100 * -11 + 299.7 * -15) / 399.7 - 10)
    assert found.groups["unknown"].slippage_bps is None
    assert list(found.stale_by_symbol) == ["X", "Y"]


def test_the_report_says_how_many_fills_could_not_be_joined(tmp_path: Path) -> None:
    found = assessed(
        tmp_path,
        pipeline_ticks=[tick(T0 + 10, used_stale=True, sample_rate=10)],
        fills=[fill(T0 + 11, ts_quote=T0 + 10.001), *(fill(T0 + 12 + n, ts_quote=T0 + 12 + n) for n in range(7))],
    )
    text = assessment_text(found, T0, T0 + 3600)
    assert "7 fills unknown: no logged tick covers the time of the quote" in text
    assert "Ticks are sampled" in text
    assert digest(found)[2] == "7 fills could not be classified (ticks are sampled)"
    assert digest(found)[0] == "1 of 1 tick lines used a stale book (they represent 10 of 10 ticks)"


def test_the_same_feeds_give_the_same_bytes_and_other_settings_another_name(tmp_path: Path) -> None:
    lines = [fill(T0 + n, mid_now=100 + n / 10, used_stale=n % 3 == 0) for n in range(50)]
    found = assessed(tmp_path, fills=lines)
    one = write_assessment(found, tmp_path / "a", T0, T0 + 60, {})
    two = write_assessment(found, tmp_path / "b", T0, T0 + 60, {})
    other = write_assessment(found, tmp_path / "a", T0, T0 + 60, {"symbols": ["X"]})
    assert one.name == "policy_assessment_20250101_000000_20250101_000100.md"
    assert one.read_bytes() == two.read_bytes()
    assert other.name != one.name


def test_text_of_feeds_breaks_no_markdown(tmp_path: Path) -> None:
    found = assessed(tmp_path, fills=[fill(T0 + 1, symbol="a|b`<img>", used_stale=True)])
    assert r"``a\|b`<img>``" in assessment_text(found, T0, T0 + 60)


def test_nothing_to_assess_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoSuchSymbol):
        assessed(tmp_path, fills=[fill(T0 + 1)], symbols=("NOPE",))  # type: ignore[arg-type]
    with pytest.raises(NoLines):
        AssessmentFeeds(tmp_path, start=T0 + 100).assess(maker_fee_bps=0, taker_fee_bps=0)
