"""A bot in a box logs every tick and records its stream; replaying that recording, the cache answers as it did then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calib.cli.main import run


def test_the_replayed_cache_answers_as_the_recorded_one_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feeds, out = str(tmp_path / "feeds"), str(tmp_path / "out")
    plan = ["--symbols", "BTCUSDT", "--minutes", "4", "--sample-rate", "1", "--no-incidents"]
    assert run(["simulate", "--out", feeds, *plan, "--cache", "on", "--record", "BTCUSDT", "--quiet"]) == 0
    assert run(["replay", "--feeds", feeds, "--out", out, "--output", "json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    fidelity = data["fidelity"]
    assert fidelity["compared"] == data["overall"]["reads"] > 100
    assert fidelity["cache_hit_agreement"] == 1.0
    assert fidelity["used_stale_agreement"] == 1.0
    assert (
        fidelity["cache_age_ms_agreement"] > 0.95
    )  # a ping between the tick's note of the silence and its read differs
    assert data["overall"]["staleness"]["error_bps"]["max"] == 0.0
