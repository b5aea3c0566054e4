"""The simulated bot in real time."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import pytest

from calib.errors import ForeignFiles
from calib.simulation import live
from calib.simulation.closed_loop.settings import ClosedLoopSettings
from calib.simulation.plan import SimulationPlan

START = 1_735_689_600.0


def plan(seconds: float, **settings: Any) -> SimulationPlan:
    return SimulationPlan(("BTCUSDT",), START, START + seconds, incidents=False, box=ClosedLoopSettings(**settings))


def test_each_hour_is_a_new_bot_under_the_same_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With an hour of one second and a half: the second bot registers where the first has left."""
    monkeypatch.setattr(live, "HOUR_S", 1.5)
    pages: list[str] = []
    done = live.run_live(
        plan(3.0),
        0,
        directory=tmp_path / "feeds",
        on_ready=lambda url: pages.append(urllib.request.urlopen(url, timeout=10).read().decode()),
    )
    assert done.seconds == 3.0
    assert pages == [""]  # the address answers before there is a bot
    assert [path.name.rsplit("_", 1)[0] for path in (tmp_path / "feeds").iterdir()] in ([], ["pipeline_ticks"])


@pytest.mark.parametrize("settings", [{"cache": "shadow"}, {"cache": "off"}, {"fill": "callback"}])
def test_every_way_of_reading_the_market_can_be_watched(settings: dict[str, str]) -> None:
    done = live.run_live(plan(1.0, **settings), 0)
    assert done.seconds == 1.0


def test_a_directory_with_feeds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fills_20250101.jsonl").write_text("")
    with pytest.raises(ForeignFiles, match="already holds feeds"):
        live.run_live(plan(1.0), 0, directory=tmp_path)
