"""The loggers' keywords are typed from the table of fields, and a misspelt one fails the type check."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from calib import CalibrationLoggerManager, FillLogger
from tools.generate_types import TARGET, text

FILL = {"ts": 1735689600.25, "symbol": "X", "side": "buy", "price": 94.5, "qty": 0.01, "liquidity": "maker"}


def test_the_generated_types_are_current() -> None:
    assert TARGET.read_text("utf-8") == text(), "run `make docs`"


def test_keywords_and_a_record_write_the_same_line(tmp_path: Path) -> None:
    with FillLogger(tmp_path) as fills:
        assert fills.log(FILL)
        assert fills.log(ts=1735689600.25, symbol="X", side="buy", price=94.5, qty=0.01, liquidity="maker")
    first, second = (tmp_path / "fills_20250101.jsonl").read_text("utf-8").splitlines()
    assert first == second


def test_a_record_and_keywords_together_are_refused(tmp_path: Path) -> None:
    with FillLogger(tmp_path) as fills, pytest.raises(TypeError, match="not both"):
        fills.log(FILL, mid_now=1.0)  # type: ignore[call-overload]


def test_a_misspelt_keyword_fails_mypy_strict(tmp_path: Path) -> None:
    good = 'log_fill(symbol="X", side="buy", price=1.0, qty=1.0, liquidity="maker")'
    bad = 'log_fill(symbol="X", side="buy", price=1.0, quantity=1.0, liquidity="maker")'
    script = tmp_path / "bot.py"
    head = "from calib import CalibrationLoggerManager\nmanager = CalibrationLoggerManager()\n"
    script.write_text(f"{head}manager.{good}\nmanager.{bad}\n", "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", str(script)]
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if "error" in line and "quantity" in line]
    assert "bot.py:3" not in done.stdout


def test_compact_lines_hold_what_is_known_and_are_half_as_long(tmp_path: Path) -> None:
    for name, compact in (("whole", False), ("compact", True)):
        with CalibrationLoggerManager(directory=tmp_path / name, compact=compact) as manager:
            manager.log_fill(
                ts=1735689600.25, symbol="X", side="buy", price=94.5, qty=0.01, liquidity="maker", mid_now=None
            )
    whole, small = ((tmp_path / name / "fills_20250101.jsonl").read_bytes() for name in ("whole", "compact"))
    assert json.loads(small) == FILL
    assert len(small) < 0.5 * len(whole)
    assert {name: value for name, value in json.loads(whole).items() if value is not None} == {
        **FILL,
        "ts_iso": "2025-01-01T00:00:00.250000Z",
    }
