"""Feeding the harness live and evaluating its feeds later give the same verdicts, where every tick is logged."""

from __future__ import annotations

import json
import math
import operator
import random
import statistics
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


def figures(directory: Path, arm: str) -> dict[str, float]:
    """The six metrics of an arm's last 1000 fills and ticks, by their definitions from the feed files."""

    def last(kind: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for path in directory.glob(f"{kind}_*") for line in path.read_text().splitlines()]
        return sorted((line for line in lines if line["bucket"] == arm), key=lambda line: float(line["ts"]))[-1000:]

    def weighted(values: list[float]) -> float:
        notional = [fill["price"] * fill["qty"] for fill in fills]
        return math.fsum(map(operator.mul, notional, values)) / math.fsum(notional)

    fills, ticks = last("fills"), last("pipeline_ticks")
    sign = [1 if fill["side"] == "buy" else -1 for fill in fills]
    both = max(fills[0]["ts"], ticks[0]["ts"])
    filled = {(fill["symbol"], fill["quote_id"]) for fill in fills if fill["ts"] >= both}
    return {
        "net_bps": weighted(
            [
                s * (fill["mid_now"] - fill["price"]) / fill["mid_at_quote"] * 1e4 - fill["fee_bps"]
                for s, fill in zip(sign, fills, strict=True)
            ]
        ),
        "slippage_bps": weighted(
            [s * (fill["price"] / fill["quote_price"] - 1) * 1e4 for s, fill in zip(sign, fills, strict=True)]
        ),
        "fill_rate": len(filled) / sum(tick["n_quotes"] for tick in ticks if tick["ts"] >= both),
        "taker_share": sum(fill["liquidity"] == "taker" for fill in fills) / len(fills),
        "tick_total_p95": statistics.quantiles([tick["tick_total_ms"] for tick in ticks], n=20, method="inclusive")[18],
        "deadline_miss_rate": sum(tick["deadline_miss"] for tick in ticks) / len(ticks),
        "n_fills": len(fills),
        "n_ticks": len(ticks),
    }


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
    for arm in ("A", "B"):
        expected = figures(tmp_path / "feeds", arm)
        assert {name: told["metrics"][arm][name] for name in expected} == pytest.approx(expected, rel=1e-9)
    if rule == "switchback":
        assert told["first_act"]["sequential"]["gate"] == "slippage_degradation"
        assert later["verdicts"]["sequential"] == told["verdicts"]["sequential"]
        assert later["assignment"]["rule"] == "switchback"
