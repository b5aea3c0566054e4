"""Feeding the harness live and evaluating its feeds later give the same verdicts, where every tick is logged."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run
from calib.experiments import ABHarness, ABSettings
from calib.feeds.writers import CalibrationLoggerManager

T0 = 1_750_031_000.0  # in the evening before a UTC midnight: the run spans two day files
SYMBOLS = [f"L{i}USDT" for i in range(6)]


def live(directory: Path, rule: str, minutes: int) -> dict[str, Any]:
    """A bot that logs every tick and fill, and tells its harness of them."""
    rng = random.Random(f"live-{rule}")
    start = (T0 // 86_400 + 1) * 86_400 - 30 * 60
    ab = ABHarness("shadow", 0.5, symbols=SYMBOLS, settings=ABSettings(assignment=rule, decision="sequential"))
    events = []
    for i, symbol in enumerate(SYMBOLS):
        ts = start + rng.random()
        while ts < start + minutes * 60:
            events.append((ts, symbol, "fill"))
            ts += rng.expovariate(3 / 60)
        events += [(start + k * 2 + i * 0.013, symbol, "tick") for k in range(minutes * 30)]
    with CalibrationLoggerManager(True, directory, sample_rate=1) as loggers:
        due = start
        for n, (ts, symbol, kind) in enumerate(sorted(events)):
            arm = ab.bucket(symbol, ts)
            if kind == "fill":
                slip = rng.gauss(1.0 if arm == "B" else 0.0, 1.5)
                sign = -1 if n % 3 else 1
                fill: dict[str, Any] = {
                    "symbol": symbol,
                    "ts": ts,
                    "side": "buy" if sign > 0 else "sell",
                    "price": 100.0 * (1 + sign * slip / 1e4),
                    "qty": rng.choice([0.5, 1.0, 2.0]),
                    "liquidity": "taker" if rng.random() < 0.1 else "maker",
                    "quote_price": 100.0,
                    "mid_at_quote": 100.01,
                    "mid_now": 100.0 + rng.gauss(0, 0.01),
                    "fee_bps": 0.2,
                    "quote_id": f"q{n // 2}",
                    "ts_quote": ts - rng.random() * 20,
                    "bucket": arm,
                }
                assert loggers.log_fill(**fill)
                ab.record_fill(**fill)
            else:
                tick: dict[str, Any] = {
                    "symbol": symbol,
                    "ts": ts,
                    "tick_total_ms": rng.lognormvariate(3, 0.4),
                    "n_quotes": 1,
                }
                tick |= {"deadline_miss": rng.random() < 0.01, "bucket": arm}
                assert loggers.log_tick(cache_hit=True, **tick)
                ab.record_tick(**tick)
            if ts >= due:
                due = ts + 1 + rng.random() * 4  # evaluated at moments of its own
                ab.evaluate(ts)
    ab.evaluate(max(events)[0] + 10)
    return ab.report()


@pytest.mark.parametrize("rule", ["switchback", "rank"])
def test_live_and_later_agree(rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = live(tmp_path / "feeds", rule, 60)
    assert len(list((tmp_path / "feeds").iterdir())) == 4
    capsys.readouterr()
    command = ["ab", "--feeds", str(tmp_path / "feeds"), "--out", str(tmp_path / "out"), "--decision", "sequential"]
    code = run([*command, "--output", "json"])
    later = json.loads(capsys.readouterr().out)["data"]
    assert code == (1 if told["first_act"]["sequential"] else 0)
    for gate, lines in told["timelines"].items():
        for decision in ("threshold", "sequential"):
            assert later["timelines"][gate][decision] == lines[decision], (gate, decision)
    assert later["first_act"] == told["first_act"]
    assert later["verdicts"]["threshold"] == told["verdicts"]["threshold"]
    assert later["metrics"] == told["metrics"]
    if rule == "switchback":
        assert told["first_act"]["sequential"]["gate"] == "slippage_degradation"
        assert later["verdicts"]["sequential"] == told["verdicts"]["sequential"]
        assert later["assignment"]["rule"] == "switchback"
