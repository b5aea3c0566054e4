"""A log held against the venue: each difference placed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run

T = 1735689600


def trade(number: int, **more: Any) -> dict[str, Any]:
    known = {
        "symbol": "BTCUSDT", "id": number, "orderId": 1, "price": "100", "qty": "2", "commission": "0.02",
        "commissionAsset": "USDT", "time": (T + number) * 1000, "isBuyer": True, "isMaker": True,
    }  # fmt: skip
    return known | more


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "all.json").write_text(json.dumps([trade(n) for n in range(1, 11)]))
    assert run(["import", "binance-spot", str(tmp_path / "all.json"), "--out", str(tmp_path / "feeds")]) == 0
    return tmp_path


def found(place: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    words = ["reconcile", "--feeds", str(place / "feeds"), "--against", str(place / "all.json"), "--output", "json"]
    code = run([*words, *more])
    return code, json.loads(capsys.readouterr().out)["data"]


def test_a_whole_log_agrees(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = found(place, capsys)
    assert (code, data["venue"], data["logged"], data["share"]) == (0, 10, 10, 0)


def test_each_difference_is_found_with_its_notional(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = place / "feeds" / "fills_20250101.jsonl"
    lines = [json.loads(line) for line in day.read_text().splitlines()]
    lines[1]["price"] = 101.0
    lines[2]["fee_bps"] = 5.0
    del lines[3]  # number 4 is lost
    lines.append(lines[0])
    lines.append(lines[0] | {"trade_id": "99"})
    lines.append(lines[0] | {"trade_id": "77", "ts": T + 500.0, "ts_exchange": T + 500.0})  # after the export's end
    day.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, data = found(place, capsys)
    assert code == 1
    counts = {name: (data[name]["count"], data[name]["notional"]) for name in ("missing", "extra", "twice", "differs")}
    assert counts == {"missing": (1, 200.0), "extra": (1, 200.0), "twice": (1, 200.0), "differs": (2, 402.0)}
    assert data["missing"]["first"][0]["trade_id"] == "4"
    assert [one["venue"] for one in data["differs"]["first"]] == [{"price": 100.0}, {"fee_bps": 1.0}]
    assert found(place, capsys, "--tolerance", "0.5")[0] == 0  # 5 of 10
    assert found(place, capsys, "--tolerance", "0.4")[0] == 1


def test_a_file_of_no_known_form_needs_a_mapping(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "x.csv").write_text("a,b\n1,2\n")
    assert run(["reconcile", "--feeds", str(place / "feeds"), "--against", str(place / "x.csv")]) == 2
    assert "the mapping says nothing of ts" in capsys.readouterr().err
