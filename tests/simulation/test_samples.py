"""The sample feeds in the repository: what the simulator makes, good but for the hostile lines, and small."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from calib.feeds.reading.batches import read_batches
from calib.feeds.reading.days import find_days
from calib.feeds.schema.table import FEEDS
from calib.feeds.schema.validation import judge_line
from calib.simulation.output import simulate
from calib.simulation.plan import SimulationPlan

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLES = REPOSITORY / "sample_feeds"
HOSTILE_LINES = {
    "fills": {
        "bad_json": 4,
        "bad_value": 1,
        "missing_field": 1,
        "duplicate": 1,
        "wrong_day": 1,
        "bad_type": 1,
    },
    "pipeline_ticks": {
        "bad_json": 4,
        "bad_value": 1,
        "missing_field": 1,
        "not_object": 1,
        "wrong_day": 1,
        "bad_type": 1,
    },
}


def _lines(kind: str, day: str) -> bytes:
    plain = SAMPLES / f"{kind}_{day}.jsonl"
    return plain.read_bytes() if plain.exists() else gzip.decompress((SAMPLES / f"{plain.name}.gz").read_bytes())


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / "simulation.json").read_bytes())
    return found


@pytest.mark.parametrize(("day", "hour"), [("20250102", "00")])
def test_one_hour_is_made_again_byte_for_byte(day: str, hour: str, record: dict[str, Any], tmp_path: Path) -> None:
    start = datetime.strptime(f"{day} {hour} +0000", "%Y%m%d %H %z").timestamp()
    plan = SimulationPlan(
        tuple(record["symbols"]), start, start + 3_600, seed=record["seed"], hostile=record["hostile"]
    )
    simulate(plan, tmp_path)
    for kind in ("fills", "pipeline_ticks"):
        again = (tmp_path / f"{kind}_{day}.jsonl").read_bytes()
        begin = _lines(kind, day).find(again)
        assert len(again) > 100_000
        assert begin == 0 or _lines(kind, day)[begin - 1 : begin] == b"\n", f"{kind}: not the lines of this hour"


def test_the_recipe_in_the_makefile_is_the_one_they_were_made_by(record: dict[str, Any]) -> None:
    recipe = (REPOSITORY / "Makefile").read_text().partition("\nsamples:")[2].partition("\n\n")[0]
    assert f"--seed {record['seed']} " in recipe
    assert f"--symbols {len(record['symbols'])} " in recipe
    assert f"--from {record['from'].removesuffix(':00Z')} " in recipe
    assert f"--record {','.join(record['record'])}\n" in f"{recipe}\n"
    assert f"--to {record['to'].removesuffix(':00Z')} " in recipe
    assert (record["hostile"], record["incidents"], record["quotes"]) == (True, True, False)
    assert record["quotes_recorded"] is True
    assert "--quotes-recorded " in recipe
    assert record["compress"] == {"20250102": "gz"}


@pytest.mark.parametrize("day", ["20250101", "20250102"])
@pytest.mark.parametrize("kind", ["fills", "pipeline_ticks"])
def test_every_line_is_valid_but_the_hostile_ones(kind: str, day: str) -> None:
    """By the judge; the day and the ids, which one line alone does not show, are looked at here."""
    found: Counter[str] = Counter()
    ids: set[tuple[str, str]] = set()
    lines = _lines(kind, day).splitlines()
    for line in lines:
        verdict = judge_line(FEEDS[kind], line)
        if verdict.record is None:
            assert verdict.fault is not None
            found[verdict.fault.reason] += 1
            continue
        assert not verdict.unknown
        if datetime.fromtimestamp(verdict.record["ts"], UTC).strftime("%Y%m%d") != day:
            found["wrong_day"] += 1
        elif kind == "fills":
            name = (verdict.record["symbol"], verdict.record["trade_id"])
            found["duplicate"] += name in ids
            ids.add(name)
    assert dict(+found) == HOSTILE_LINES[kind]
    assert found.total() < 0.005 * len(lines)


def test_the_reader_counts_them_so(record: dict[str, Any]) -> None:
    listed = {file["file"]: file["lines"] for file in record["files"]}
    files = find_days(SAMPLES)
    assert {file.name for file in files} == set(listed)
    for file in files:
        reading = read_batches(file, ("symbol",), newest=False)
        symbols = {symbol for batch in reading for symbol in batch["symbol"].unique()}
        assert dict(reading.stats.rejected) == HOSTILE_LINES.get(file.kind, {})
        assert reading.stats.lines == listed[file.name]
        assert symbols == set(record["record"] if file.kind in ("book", "trades", "quotes") else record["symbols"])


def test_they_are_twelve_symbols_and_small(record: dict[str, Any]) -> None:
    assert len(record["symbols"]) == 12
    assert sum(path.stat().st_size for path in SAMPLES.iterdir() if path.name != ".calib.lock") < 12_000_000
    assert {path.name for path in SAMPLES.glob("*.gz")} == {
        "fills_20250102.jsonl.gz",
        "pipeline_ticks_20250102.jsonl.gz",
    }
