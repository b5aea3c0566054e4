"""One symbol's hour: determined by (seed, symbol, hour) alone, and true to the formulas of the model."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from calib.simulation.hours import hour_lines, symbol_hour
from calib.simulation.incidents import Kind, draw_incidents
from calib.simulation.instruments import INSTRUMENTS, instrument
from calib.simulation.records import Record

START = 1_735_765_200  # 2025-01-01T21:00:00Z


def _collect(symbols: list[str], hours: int, *, seed: int = 5, incidents: bool = False) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {"pipeline_ticks": [], "fills": [], "quotes": []}
    for hour in range(hours):
        for line in hour_lines(seed, symbols, START + 3_600 * hour, incidents=incidents):
            found[line.kind].append(line.record)
    return found


@pytest.fixture(scope="module")
def day() -> dict[str, list[Record]]:
    """Twelve hours of one symbol without incidents."""
    return _collect(["ETHUSDT"], 12)


def _likelihood_estimate(
    exposure_s: np.ndarray[Any, Any], distance_bps: np.ndarray[Any, Any], filled: np.ndarray[Any, Any]
) -> tuple[float, float, float, float]:
    """A and k of lambda = A exp(-k d) by Poisson maximum likelihood, and the standard errors of log A and k."""

    def gap(k: float) -> float:
        weight = exposure_s * np.exp(-k * distance_bps)
        return float((weight * distance_bps).sum() / weight.sum() - distance_bps[filled].mean())

    low, high = 0.0, 5.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if gap(middle) > 0 else (low, middle)
    weight = exposure_s * np.exp(-low * distance_bps)
    a = filled.sum() / weight.sum()
    moments = [float((a * weight * distance_bps**power).sum()) for power in (0, 1, 2)]
    determinant = moments[0] * moments[2] - moments[1] ** 2
    return float(a), low, math.sqrt(moments[2] / determinant), math.sqrt(moments[0] / determinant)


@pytest.mark.parametrize("symbol", ["ETHUSDT", "AVAXUSDT"])
def test_a_and_k_are_recovered_from_the_quotes_feed(symbol: str, day: dict[str, list[Record]]) -> None:
    """Exposure by distance, as a calibration would do it; within three standard errors and a tenth of the truth."""
    quotes = (day if symbol == "ETHUSDT" else _collect([symbol], 16))["quotes"]
    sides = np.array([1 if quote["side"] == "buy" else -1 for quote in quotes])
    price, mid = (np.array([quote[name] for quote in quotes]) for name in ("price", "mid_open"))
    exposure = np.array([quote["ts_close"] - quote["ts_open"] for quote in quotes])
    resting = exposure > 1e-6  # a hedge takes at once; a refused quote never rested
    distance = (sides * (mid - price) / mid * 1e4)[resting]
    filled = np.array([quote["qty_filled"] > 0 for quote in quotes])[resting]
    a, k, log_a_error, k_error = _likelihood_estimate(exposure[resting], distance, filled)
    true = INSTRUMENTS[symbol]
    assert filled.sum() > 300
    assert abs(math.log(a / true.intensity_per_s)) < 3 * log_a_error
    assert abs(k - true.decay_per_bps) < 3 * k_error
    assert abs(k / true.decay_per_bps - 1) < 0.15


def test_a_symbol_does_not_notice_the_others() -> None:
    alone = [tick.record for tick in symbol_hour(5, instrument("ETHUSDT"), START)]
    among = _collect(["BTCUSDT", "ETHUSDT", "XYZ"], 1, incidents=True)["pipeline_ticks"]
    assert [record for record in among if record["symbol"] == "ETHUSDT"] == alone


def test_every_feed_is_in_order_of_time_and_within_its_hour() -> None:
    for records in _collect(["BTCUSDT", "ETHUSDT"], 1, incidents=True).values():
        times = [record["ts"] for record in records]
        assert times == sorted(times)
        assert times[0] >= START
        assert times[-1] < START + 3_600


def test_prices_are_whole_ticks_and_sizes_whole_lots(day: dict[str, list[Record]]) -> None:
    for fill in day["fills"]:
        assert round(fill["price"], 2) == fill["price"]
        assert round(fill["qty"], 2) == fill["qty"] > 0
        assert round(fill["mid_now"] * 200) / 200 == fill["mid_now"]
    for tick in day["pipeline_ticks"]:
        assert round(tick["bid"], 2) == tick["bid"] < tick["ask"] == round(tick["ask"], 2)
        assert tick["mid"] == pytest.approx((tick["bid"] + tick["ask"]) / 2, rel=1e-12)
        assert tick["tick_total_ms"] == pytest.approx(math.fsum(tick["stage_latencies"].values()), abs=1e-6)


def test_fills_belong_to_quotes_and_never_exceed_them(day: dict[str, list[Record]]) -> None:
    filled: dict[str, float] = {}
    for fill in day["fills"]:
        filled[fill["quote_id"]] = filled.get(fill["quote_id"], 0.0) + fill["qty"]
    quoted = {quote["quote_id"]: quote for quote in day["quotes"]}
    assert len(quoted) == len(day["quotes"])
    assert {name for name, quote in quoted.items() if quote["qty_filled"] > 0} == set(filled)
    for name, qty in filled.items():
        assert qty == pytest.approx(quoted[name]["qty_filled"])
        assert qty <= quoted[name]["qty"] + 1e-9
    assert len({fill["trade_id"] for fill in day["fills"]}) == len(day["fills"]) > len(filled)


def test_quotes_sent_are_the_quotes_that_end(day: dict[str, list[Record]]) -> None:
    assert sum(tick["n_quotes"] for tick in day["pipeline_ticks"]) == len(day["quotes"])


def test_the_bot_hedges_before_its_inventory_runs_away(day: dict[str, list[Record]]) -> None:
    inventory, most, hour = 0.0, 0.0, START
    for fill in day["fills"]:
        if fill["ts"] >= hour + 3_600:
            inventory, hour = 0.0, hour + 3_600  # each hour starts flat
        inventory += fill["qty"] if fill["side"] == "buy" else -fill["qty"]
        most = max(most, abs(inventory))
    assert 1.2 <= most <= 2.0  # three quotes of 0.4, and one more at most before the next tick hedges
    takers = [fill for fill in day["fills"] if fill["liquidity"] == "taker"]
    assert takers
    for fill in takers:
        assert fill["fee_bps"] == 3.0
        worse = (fill["price"] - fill["quote_price"]) * (1 if fill["side"] == "buy" else -1)
        assert fill["slip_bps"] == pytest.approx(worse / fill["quote_price"] * 1e4, abs=1e-4)


def test_the_market_moves_against_our_maker_fills(day: dict[str, list[Record]]) -> None:
    """Adverse selection: the mean move at a fill is the instrument's impact (0.9 bps), exponential."""
    moves = [
        (1 if fill["side"] == "buy" else -1) * (fill["mid_at_quote"] - fill["mid_now"]) / fill["mid_at_quote"] * 1e4
        for fill in day["fills"]
        if fill["liquidity"] == "maker"
    ]
    # The mid may have moved between the quote and its fill as well, either way: a wide margin around the mean.
    assert np.mean(moves) == pytest.approx(0.9, abs=4 * float(np.std(moves)) / math.sqrt(len(moves)))


def test_cached_reads_are_as_frequent_and_as_stale_as_the_model_says(day: dict[str, list[Record]]) -> None:
    ticks = day["pipeline_ticks"]
    n = len(ticks)
    hits = sum(tick["cache_hit"] for tick in ticks)
    stale = sum(tick["used_stale"] for tick in ticks)
    assert abs(hits / n - 0.9) < 4 * math.sqrt(0.09 / n)
    assert abs(stale / hits - 0.03) < 4 * math.sqrt(0.03 * 0.97 / hits)
    assert all(tick["cache_age_ms"] > 60 for tick in ticks if tick["used_stale"])


def test_incidents_show_in_the_ticks() -> None:
    seed, hour = _hour_with({Kind.OUTAGE, Kind.SILENCE, Kind.BAD_DEPLOY})
    incidents = {incident.kind: incident for incident in draw_incidents(seed, hour)}
    symbols = [name for name in INSTRUMENTS if incidents[Kind.SILENCE].strikes(name)][:1]
    symbols += [name for name in INSTRUMENTS if incidents[Kind.BAD_DEPLOY].strikes(name)][:1]
    ticks = [line.record for line in hour_lines(seed, symbols, hour) if line.kind == "pipeline_ticks"]

    def during(kind: Kind, symbol: str) -> list[Record]:
        incident = incidents[kind]
        return [t for t in ticks if t["symbol"] == symbol and incident.start_us <= t["ts"] * 1e6 < incident.end_us]

    assert during(Kind.OUTAGE, symbols[0]) == []
    silent = during(Kind.SILENCE, symbols[0])
    assert max(tick["ws_gap_ms"] for tick in silent) > 60_000
    assert {tick["status"] for tick in silent} == {"miss"}
    slow = during(Kind.BAD_DEPLOY, symbols[-1])
    assert np.median([tick["stage_latencies"]["strategy"] for tick in slow]) > 60
    assert sum(tick["deadline_miss"] for tick in slow) > 0.05 * len(slow)


def _hour_with(kinds: set[Kind]) -> tuple[int, int]:
    for seed in range(1_000):
        incidents = {incident.kind: incident for incident in draw_incidents(seed, START)}
        outage = incidents.get(Kind.OUTAGE)
        if set(incidents) == kinds and outage and all(
            i is outage or i.end_us <= outage.start_us or i.start_us >= outage.end_us for i in incidents.values()
        ):  # fmt: skip
            return seed, START
    raise AssertionError("no seed has them all")


def test_another_process_with_another_hash_seed_says_the_same() -> None:
    program = (
        "import json;from calib.simulation.hours import hour_lines;"
        f"print(json.dumps([[l.kind,l.record] for l in hour_lines(5,['ETHUSDT','ABC'],{START})]))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "4242")
    ]
    here = [[line.kind, line.record] for line in hour_lines(5, ["ETHUSDT", "ABC"], START)]
    assert outputs[0] == outputs[1]
    assert json.loads(outputs[0]) == here
