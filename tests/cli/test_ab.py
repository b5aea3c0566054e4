"""``calib ab`` as its user meets it: verdicts, exit codes, bad input, figures computed independently."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calib.cli.main import run
from calib.experiments import ABHarness, ABSettings
from calib.experiments.routing import switchback_rule

START = 1_735_689_600  # 2025-01-01T00:00:00Z
SYMBOLS = ["BTC|USDT", "ETHUSDT", "<b>SOL</b>", "XRPUSDT"]
GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "ab_run.md"


def lines(minutes: int = 40, harm_bps: float = 0.0, bucket: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Seeded feed lines of a switchback; prices in round figures."""
    rng = random.Random(4)
    fills, ticks = [], []
    for second in range(0, minutes * 60, 2):
        for i, symbol in enumerate(SYMBOLS):
            ts = START + second + i / 10
            in_b = symbol in switchback_rule("t", SYMBOLS, int(ts // 60))
            arm = {"bucket": "B" if in_b else "A"} if bucket else {}
            total = round(20 + 10 * rng.random() + i, 3)
            late = rng.random() < 0.004
            tick = {"ts": ts, "symbol": symbol, "tick_total_ms": total, "cache_hit": True, "deadline_miss": late}
            ticks.append(tick | arm | {"sample_rate": 1, "n_quotes": 1})
            if rng.random() < 0.1:
                slip = round(rng.gauss(harm_bps if in_b else 0.0, 1.0), 2)
                price = round(100 * (1 + slip / 1e4), 6)
                fill = {"ts": ts + 0.05, "symbol": symbol, "side": "buy", "price": price, "qty": 1.5}
                fill |= {"liquidity": "taker" if rng.random() < 0.2 else "maker", "quote_price": 100.0}
                fills.append(fill | {"mid_at_quote": 100.0, "mid_now": round(100 + rng.gauss(0, 0.01), 6)} | arm)
    return {"fills": fills, "pipeline_ticks": ticks}


def write(directory: Path, feeds: dict[str, list[dict[str, Any]]]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for kind, records in feeds.items():
        text = "".join(json.dumps(record) + "\n" for record in records)
        (directory / f"{kind}_20250101.jsonl").write_text(text)
    return directory


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(["ab", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def calm(tmp_path: Path) -> Path:
    return write(tmp_path / "feeds", lines())


def test_golden_report(calm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--feeds", str(calm), "--out", str(tmp_path / "out"), "--decision", "sequential")
    assert code == 0
    text = Path(out.splitlines()[0]).read_text()
    assert len(re.findall(r"!\[[^\n]*\.svg\)\n\n", text)) == 6  # four gates, the effects, the symbols
    assert re.sub(r"!\[[^\n]*\.svg\)\n\n", "", text) == GOLDEN.read_text()


def test_the_six_metrics_against_numpy(calm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "--feeds", str(calm), "--out", str(tmp_path / "out"), "--output", "json")
    totals = json.loads(out)["data"]["totals"]
    feeds = lines()
    for arm in "AB":
        fills = [fill for fill in feeds["fills"] if fill["bucket"] == arm]
        ticks = [tick for tick in feeds["pipeline_ticks"] if tick["bucket"] == arm]
        weight = np.array([fill["price"] * fill["qty"] for fill in fills])
        slip = np.array([(fill["price"] - 100.0) / 100.0 * 1e4 for fill in fills])
        net = np.array([(fill["mid_now"] - fill["price"]) / 100.0 * 1e4 for fill in fills])
        side = arm.lower()
        assert totals["slippage_bps"][side] == pytest.approx(float((slip * weight).sum() / weight.sum()), rel=1e-9)
        assert totals["net_bps"][side] == pytest.approx(float((net * weight).sum() / weight.sum()), rel=1e-9)
        takers = sum(fill["liquidity"] == "taker" for fill in fills)
        assert totals["taker_share"][side] == pytest.approx(takers / len(fills))
        durations = [tick["tick_total_ms"] for tick in ticks]
        assert totals["tick_total_p95"][side] == pytest.approx(float(np.percentile(durations, 95)))
        misses = sum(tick["deadline_miss"] for tick in ticks)
        assert totals["deadline_miss_rate"][side] == pytest.approx(misses / len(ticks))
        begin = max(fills[0]["ts"], ticks[0]["ts"])
        quotes = sum(tick["ts"] >= begin for tick in ticks)
        assert totals["fill_rate"][side] == pytest.approx(len(fills) / quotes)
        assert totals["slippage_bps"][f"n_{side}"] == len(fills)
    delta = totals["slippage_bps"]
    assert delta["delta"] == pytest.approx(delta["b"] - delta["a"])


def test_a_violation_is_exit_1_and_said_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feeds = write(tmp_path / "feeds", lines(60, harm_bps=3.0))
    words = ["--feeds", str(feeds), "--out", str(tmp_path / "out")]
    for decision in ("threshold", "sequential"):
        code, out, err = call(capsys, *words, "--decision", decision)
        assert code == 1
        assert "VIOLATED" in err
        report = Path(out.splitlines()[0]).read_text().splitlines()
        assert report[2].startswith(f"**VIOLATED: the {decision} decision")
    code, out, _ = call(capsys, *words, "--decision", "sequential", "--output", "json")
    body = json.loads(out)
    assert (code, body["exit_code"], body["status"], body["errors"][0]["name"]) == (1, 1, "verdict-no", "verdict")
    effect = body["data"]["effects"]["slippage_bps"]
    assert effect["low"] > 0
    assert effect["low"] < 3.0 < effect["high"]


def test_the_same_feeds_give_the_same_bytes(calm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for name in ("one", "two"):
        _, out, _ = call(capsys, "--feeds", str(calm), "--out", str(tmp_path / name))
        texts.append(Path(out.splitlines()[0]).read_bytes())
    assert texts[0] == texts[1]


def test_assign_buckets_by_symbol_afterwards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feeds = write(tmp_path / "feeds", lines(20, bucket=False))
    words = ["--feeds", str(feeds), "--out", str(tmp_path / "out"), "--output", "json"]
    code, out, _ = call(capsys, *words)
    assert code == 3
    assert json.loads(out)["errors"][0]["name"] == "no-buckets"
    for text in ("demo/50%", "demo/0.5"):
        _, out, _ = call(capsys, *words, "--assign", text, "--assignment", "rank")
        arms = json.loads(out)["data"]["assignment"]["symbols"]
        assert sorted(arms.values()) == ["A", "A", "B", "B"]
    (tmp_path / "lists.yaml").write_text("ab: {split: 1.0, blacklist: [ETHUSDT]}\n")
    _, out, _ = call(capsys, *words, "--assign", "demo", "--config", str(tmp_path / "lists.yaml"))
    arms = json.loads(out)["data"]["assignment"]["symbols"]
    assert [symbol for symbol, arm in arms.items() if arm == "A"] == ["ETHUSDT"]
    _, out, _ = call(capsys, *words, "--assign", "t/0.5", "--assignment", "switchback")
    found = json.loads(out)["data"]["totals"]
    arms_of = [fill["bucket"] for fill in lines(20)["fills"]]
    assert found["slippage_bps"]["n_b"] == arms_of.count("B")


def test_bucket_takes_an_arm_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feeds = lines(20)
    for arm in "AB":
        own = {kind: [r for r in records if r["bucket"] == arm] for kind, records in feeds.items()}
        stripped = {k: [{n: v for n, v in r.items() if n != "bucket"} for r in records] for k, records in own.items()}
        write(tmp_path / arm, stripped)
    globs = ["--bucket", f"A={tmp_path}/A/*.jsonl", "--bucket", f"B={tmp_path}/B/*.jsonl"]
    _, out, _ = call(capsys, *globs, "--out", str(tmp_path / "out"), "--output", "json")
    by_files = json.loads(out)["data"]
    whole = write(tmp_path / "whole", feeds)
    _, out, _ = call(capsys, "--feeds", str(whole), "--out", str(tmp_path / "out2"), "--output", "json")
    assert by_files["totals"] == json.loads(out)["data"]["totals"]
    assert by_files["timelines"] == json.loads(out)["data"]["timelines"]


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (["--assign", "demo/"], 2, "usage"),
        (["--assign", "/0.5"], 2, "usage"),
        (["--assign", "demo/50"], 2, "usage"),
        (["--assign", "demo/0.3", "--assignment", "switchback"], 2, "bad-config"),
        (["--assign", "demo/0.5", "--bucket", "A=x"], 2, "usage"),
        (["--bucket", "C=x"], 2, "usage"),
        (["--bucket", "A=/nowhere/*"], 3, "no-feeds"),
        (["--decision", "maybe"], 2, "bad-config"),
        (["--assignment", "coin"], 2, "bad-config"),
        (["--block-s", "0"], 2, "bad-config"),
        (["--from", "2025-01-02"], 3, "no-lines-in-range"),
        (["--from", "2025-01-01T20:00"], 3, "no-lines-in-range"),
        (["--symbols", "NONE"], 3, "no-such-symbol"),
        (["--symbols", ","], 2, "usage"),
        (["--feeds", "/nowhere"], 3, "no-feeds"),
        (["--treatment-from", "soon"], 2, "bad-time"),
        (["reset", "--state", "/nowhere", "--reason", "x"], 3, "bad-state"),
        (["reset", "--state", "/nowhere", "--reason", " "], 2, "usage"),
        (["status", "--state", "/nowhere"], 3, "bad-state"),
    ],
)
def test_bad_input_is_named(
    calm: Path, tmp_path: Path, words: list[str], code: int, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [] if words[0] in ("reset", "status") else ["--feeds", str(calm), "--out", str(tmp_path / "out")]
    found = run(["ab", *(words[:1] if not own else []), *own, *(words if own else words[1:]), "--output", "json"])
    body = json.loads(capsys.readouterr().out)
    assert (found, body["errors"][0]["name"]) == (code, name)
    assert body["errors"][0]["hint"]


def test_no_verdict_is_0_with_a_note_and_1_with_strict(
    calm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--feeds", str(calm), "--out", str(tmp_path / "out"), "--decision", "sequential", "--assign", "x/0.5"]
    code, _, err = call(capsys, *words, "--assignment", "rank")
    assert code == 0
    assert "no verdict" in err
    assert call(capsys, *words, "--assignment", "rank", "--strict")[0] == 1


def test_bad_lines_are_counted_kept_and_past_the_limit_refused(
    calm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = calm / "fills_20250101.jsonl"
    path.write_text("garbage\n" + path.read_text())
    words = ["--feeds", str(calm), "--out", str(tmp_path / "out"), "--output", "json"]
    _, out, _ = call(capsys, *words)
    entry = json.loads(out)["data"]["inputs"][0]
    assert entry["rejected"] == {"bad_json": 1}
    assert (tmp_path / "out" / "rejects" / "fills_20250101.jsonl.rejects.jsonl").is_file()
    code, out, _ = call(capsys, *words, "--max-reject-ratio", "0")
    assert (code, json.loads(out)["errors"][0]["name"]) == (3, "too-many-rejects")


def test_status_and_reset_of_a_running_experiment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ABSettings(assignment="rank", decision="threshold", hold_s=10, min_fills=1)
    ab = ABHarness("online", 0.5, symbols=["X", "Y"], settings=settings, directory=tmp_path / "ab")
    out = ["--out", str(tmp_path)]
    assert run(["ab", "status", *out]) == 0
    for second in range(60):
        for symbol in ("X", "Y"):
            bad = ab.router.arm(symbol, 0) == "B"
            ab.record_fill(symbol, START + second, "buy", 100.1 if bad else 100.0, 1, "maker", quote_price=100.0)
        ab.evaluate(START + second)
    assert ab.rollback is not None
    capsys.readouterr()
    assert run(["ab", "status", *out]) == 1
    assert "slippage_degradation" in capsys.readouterr().err
    assert run(["ab", "reset", *out, "--reason", "mended"]) == 0
    assert "cleared" in capsys.readouterr().out
    assert run(["ab", "reset", *out, "--reason", "mended"]) == 0
    assert "nothing changed" in capsys.readouterr().err
    assert run(["ab", "status", *out]) == 0
    assert ab.evaluate(START + 70) != "ROLLED_BACK"
    audit = [json.loads(line) for line in (tmp_path / "ab" / "audit.jsonl").read_text().splitlines()]
    assert [event["event"] for event in audit] == ["rollback", "reset"]
    assert audit[1]["reason"] == "mended"


def test_text_from_feeds_cannot_break_the_report(
    calm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = call(capsys, "--feeds", str(calm), "--out", str(tmp_path / "out"))
    text = Path(out.splitlines()[0]).read_text()
    assert "`BTC\\|USDT`" in text
    assert all("<b>" not in line.replace("`<b>SOL</b>`", "") for line in text.splitlines())
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert all(
        math.isclose(len(row.replace("\\|", "").split("|")), len(rows[0].split("|")), abs_tol=20) for row in rows
    )
