"""The main job on real fills: Hummingbot's own records imported, aggregated and summed up.

The figures were counted from the CSV files with awk (timestamps in whole 300,000 ms), and are computed here a second
time with the csv module alone.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run

Key = tuple[str, int]


def _by_hand(directory: Path, taken: set[str]) -> dict[Key, list[tuple[bool, Fraction]]]:
    """(is taker, notional) of every fill by (symbol, interval start), straight from the files."""
    found: dict[Key, list[tuple[bool, Fraction]]] = defaultdict(list)
    for path in sorted(directory.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle):
                if row["order_type"] in taken:
                    start = int(row["timestamp"]) // 300_000 * 300
                    notional = Fraction(row["price"]) * Fraction(row["amount"])
                    found[f"{row['symbol']}@{row['market']}", start].append(
                        (row["order_type"] != "LIMIT_MAKER", notional)
                    )
    return found


def _main_job(real_feeds: Path, directory: Path, *options: str) -> dict[str, Any]:
    files = [str(path) for path in sorted((real_feeds / "hummingbot").glob("*.csv"))]
    suffix = ["--symbol-suffix", "@{market}"]  # one of the files holds a symbol of two markets
    assert run(["import", "hummingbot", *files, "--out", str(directory / "feeds"), *suffix, *options]) == 0
    argv = ["aggregate", "--feeds", str(directory / "feeds"), "--out", str(directory), "--no-filter", "low_ticks"]
    assert run(argv) == 0
    assert run(["summary", "--out", str(directory)]) == 1  # fills on a few days of half a year
    [dataset] = (directory / "datasets").glob("*.json")
    made: dict[str, Any] = json.loads(dataset.read_bytes())
    return made


def test_makers_alone_by_default(real_feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = _main_job(real_feeds, tmp_path)
    assert made["counts"] == {
        "intervals": 66,
        "kept": 66,
        "dropped": {"low_ticks": 0, "deadline_miss": 0, "ws_gap": 0, "non_finite": 0},
    }
    assert made["range"]["symbols"] == ["ALGO-BTC@kucoin", "AVAX-USDT@kucoin", "ONE-USDT@kucoin"]
    rows = {(row["symbol"], row["start_ts"]): row for row in made["intervals"]}
    # ONE-USDT on 2022-05-10: 1 fill from 18:20, 4 from 18:25, 3 from 18:30, 2 from 18:35.
    first = [rows["ONE-USDT@kucoin", 1_652_206_800 + 300 * n]["sample_count"]["fills"] for n in range(4)]
    assert first == [1, 4, 3, 2]
    assert sum(row["sample_count"]["fills"] for row in rows.values()) == 156
    for row in rows.values():
        targets = dict(row["targets"])
        assert targets.pop("notional") > 0
        assert (targets.pop("taker_share"), targets.pop("taker_share_notional")) == (0.0, 0.0)
        assert set(targets.values()) == {None}
        assert set(row["features"].values()) == {None}
        assert row["sample_count"]["ticks"] == row["sample_count"]["quotes"] == 0
    printed = capsys.readouterr()
    assert "18 rows rejected as unknown_liquidity" in printed.err
    assert "181 days missing" in printed.out
    [report] = (tmp_path / "reports").glob("*.md")
    assert "NOT USABLE: only" in report.read_text("utf-8")  # fills on a few days of half a year


def test_with_plain_limits_taken_for_takers(real_feeds: Path, tmp_path: Path) -> None:
    made = _main_job(real_feeds, tmp_path, "--limit-as", "taker")
    expected = _by_hand(real_feeds / "hummingbot", {"LIMIT_MAKER", "LIMIT", "MARKET"})
    rows = {(row["symbol"], row["start_ts"]): row for row in made["intervals"]}
    assert set(rows) == set(expected)
    assert len(rows) == 78  # LRC-USDT of two markets shares four intervals
    for key, fills in expected.items():
        targets = rows[key]["targets"]
        assert rows[key]["sample_count"]["fills"] == len(fills)
        assert targets["taker_share"] == pytest.approx(sum(taker for taker, _ in fills) / len(fills))
        total = sum(notional for _, notional in fills)
        share = float(sum((notional for taker, notional in fills if taker), Fraction(0)) / total)
        assert targets["taker_share_notional"] == pytest.approx(share, rel=1e-12)
    counted = Counter(row["symbol"] for row in made["intervals"] for _ in range(row["sample_count"]["fills"]))
    assert counted.total() == 174
    assert counted["LRC-USDT@kucoin"] + counted["LRC-USDT@ascend_ex"] == 18
