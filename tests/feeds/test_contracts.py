"""Contracts: their notional by hand, and what a dataset weighs by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calib.cli.main import run
from calib.dataset.build import build_dataset
from calib.dataset.filters import chosen_filters
from calib.errors import ConfigError
from calib.feeds.contracts import SETTINGS, Contract, contracts_of

TS = 1735689610.0
COMMON = {"side": "buy", "qty": 100.0, "liquidity": "maker"}


def feeds(path: Path, symbol: str = "BTCUSD_PERP") -> Path:
    """+2 bps at 50,000 and -10 bps at 100,000, 100 contracts each; the second one a taker."""
    rows = [
        COMMON | {"ts": TS, "price": 50_000.0, "mid_now": 50_010.0, "mid_at_quote": 50_000.0},
        COMMON
        | {"ts": TS + 1, "price": 100_000.0, "mid_now": 99_900.0, "mid_at_quote": 100_000.0, "liquidity": "taker"},
    ]
    path.mkdir()
    lines = "".join(json.dumps(row | {"symbol": symbol}) + "\n" for row in rows)
    (path / "fills_20250101.jsonl").write_text(lines)
    return path


def targets(path: Path, contracts: dict[str, Contract]) -> tuple[float, float]:
    (row,) = build_dataset(
        path, filters=chosen_filters(off=("low_ticks",)), contracts=contracts, jobs=1
    ).intervals.to_dicts()
    return round(row["net_bps"], 9), round(row["taker_share_notional"], 9)


def test_an_inverse_contract_weighs_by_what_it_settles_in(tmp_path: Path) -> None:
    path = feeds(tmp_path / "feeds")
    # 100 x 100 / 50,000 = 0.2 and 100 x 100 / 100,000 = 0.1: (0.2 x 2 - 0.1 x 10) / 0.3 = -2, and a third was taken.
    assert targets(path, {"BTCUSD_PERP": Contract(inverse=True, multiplier=100)}) == (-2.0, round(1 / 3, 9))
    # p q weighs the second twice: (2 - 2 x 10) / 3 = -6; the size of a contract is the same for both.
    assert targets(path, {}) == targets(path, {"BTCUSD_PERP": Contract(multiplier=0.01)}) == (-6.0, round(2 / 3, 9))
    assert targets(path, {"ETHUSD_PERP": Contract(inverse=True, multiplier=10)}) == (-6.0, round(2 / 3, 9))


def test_the_command_takes_them_from_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = feeds(tmp_path / "feeds")
    (tmp_path / "c.yaml").write_text("contracts:\n  BTCUSD_PERP: {inverse: true, multiplier: 100}\n")
    argv = ["aggregate", "--feeds", str(path), "--out", str(tmp_path / "out"), "--no-filter", "low_ticks", "-q"]
    assert run([*argv, "--config", str(tmp_path / "c.yaml")]) == 0
    (made,) = (tmp_path / "out" / "datasets").iterdir()
    dataset = json.loads(made.read_text())
    assert dataset["params"]["contracts"] == {"BTCUSD_PERP": {"inverse": True, "multiplier": 100.0}}
    assert round(dataset["intervals"][0]["targets"]["net_bps"], 9) == -2.0
    run(["summary", str(made), "--out", str(tmp_path / "out")])  # two fills are not enough: its verdict is no
    (report,) = (tmp_path / "out" / "reports").glob("*.md")
    assert "| contract of `BTCUSD_PERP` |" in report.read_text()


@pytest.mark.parametrize(
    "bad",
    [
        "BTCUSD_PERP", {"A": 1}, {"A": {"multiplier": 0}}, {"A": {"inverse": 1}}, {"A": {"size": 1}},
        {1: {"multiplier": 1}}, {"A": {"multiplier": float("inf")}}, {"A": {"multiplier": True}},
    ],
)  # fmt: skip
def test_what_is_not_a_contract_is_refused_with_its_form(bad: object) -> None:
    with pytest.raises(ConfigError, match="multiplier above 0"):
        SETTINGS["contracts"].check(bad, "calib.yaml")


def test_a_contract_is_read_from_the_environment_too() -> None:
    said = SETTINGS["contracts"].parse('{"X": {"multiplier": 5}}', "env")
    assert contracts_of(said) == {"X": Contract(multiplier=5.0)}
    with pytest.raises(ConfigError):
        SETTINGS["contracts"].parse("X=5", "env")
