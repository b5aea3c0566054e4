"""`calib simulate --quotes --record`, fitted end to end: what the method's traps do on a market with a queue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calib.fitting.clocks import one_clock_of
from calib.fitting.exposure import cut_exposure
from calib.fitting.fit import fit
from calib.fitting.intensity import fit_intensity
from calib.fitting.joins import join_quotes
from calib.fitting.loading import FitFeeds, SymbolRows
from calib.fitting.options import FitOptions
from calib.fitting.tape import reach_of
from calib.simulation.closed_loop.settings import ClosedLoopSettings
from calib.simulation.output import simulate
from calib.simulation.plan import SimulationPlan

START = 1_735_689_600
LENGTH_S = 2_400
SYMBOL = "XRPUSDT"


@pytest.fixture(scope="module")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("simulated")
    recording = ClosedLoopSettings(record=(SYMBOL,), record_s=LENGTH_S)
    plan = SimulationPlan((SYMBOL,), START, START + LENGTH_S, incidents=False, quotes_recorded=True, box=recording)
    simulate(plan, directory)
    return directory


@pytest.fixture(scope="module")
def rows(feeds: Path) -> SymbolRows:
    return FitFeeds(feeds).load()[0]


@pytest.fixture(scope="module")
def both(feeds: Path) -> dict[str, Any]:
    return next(row for row in fit(feeds).rows if row["side"] == "both")


def test_most_fills_are_run_over_and_leaving_them_in_ruins_the_fit(rows: SymbolRows, both: dict[str, Any]) -> None:
    assert both["n"]["run_over"] > 2 * both["n"]["fills"]
    clock = one_clock_of(rows, FitOptions(clock_shift_s=0.0))
    joined = join_quotes(rows.quotes, rows.fills, clock.fill_times(rows.fills.ts, rows.fills.ts_exchange))
    wrong = fit_intensity(cut_exposure(joined.spans, clock.mids, min_delta_bps=-1e9).pieces)
    assert wrong is not None
    assert wrong.a_per_s.est > 2 * both["intensity"]["A_per_s"]["est"]


def test_no_bins_rate_lies_above_the_tapes(rows: SymbolRows, both: dict[str, Any]) -> None:
    """The tape has no queue: at each distance it reaches at least as often as our quotes are filled."""
    clock = one_clock_of(rows, FitOptions())
    reaches = [
        reach_of(rows.trades, rows.trades.ts, clock.mids, side, START, START + LENGTH_S, 5.0)
        for side in ("buy", "sell")
    ]
    for one in both["intensity"]["bins"]:
        highest = max(reach.rate_interval(max(one["low_bps"], 0.0), 0.99)[1] for reach in reaches)
        assert one["rate_per_s"]["low"] <= highest


def test_the_same_distances_from_the_tape_alone_are_an_upper_bound(
    feeds: Path, both: dict[str, Any], tmp_path: Path
) -> None:
    for path in feeds.iterdir():
        if path.name.startswith(("book", "trades")):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    tape = next(row for row in fit(tmp_path).rows if row["side"] == "both")
    assert tape["reasons"][0] == "upper_bound"
    assert tape["intensity"]["A_per_s"]["est"] > both["intensity"]["A_per_s"]["low"]


def test_quotes_and_fills_are_stamped(feeds: Path) -> None:
    for kind, fields in (("quotes", {"used_stale", "cache_age_ms"}), ("fills", {"used_stale", "cache_age_ms"})):
        lines = [json.loads(line) for line in (feeds / f"{kind}_20250101.jsonl").read_text().splitlines()]
        assert all(fields <= set(line) for line in lines)
    makers = [line for line in lines if line["liquidity"] == "maker"]
    assert makers
    assert all("queue_ahead" in line for line in makers)


def test_logged_ticks_are_too_coarse_for_these_quotes(feeds: Path, tmp_path: Path) -> None:
    for path in feeds.iterdir():
        if not path.name.startswith("book"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    for row in fit(tmp_path).rows:
        assert row["reasons"][0] == "mids_too_coarse"
        assert row["intensity"] is None
