"""``calib canary`` as cron runs it: from feeds, with exit codes, over the whole way."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run

START = 1_735_689_600  # 2025-01-01T00:00:00Z
SYMBOLS = ["AUSDT", "BUSDT", "CUSDT", "DUSDT"]


class Desk:
    """A bot that writes ticks, and an operator at a terminal."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.capsys = home, capsys
        self.feed = home / "feeds" / "pipeline_ticks_20250101.jsonl"
        self.feed.parent.mkdir()

    def tick(
        self, begin: float, seconds: int, *, hit: bool = True, fetch: float = 30.0, cache: float | None = 2.0
    ) -> None:
        with self.feed.open("a") as handle:
            for second in range(0, seconds, 5):
                for i, symbol in enumerate(SYMBOLS):
                    line: dict[str, Any] = {"ts": begin + second + i / 10, "symbol": symbol, "cache_hit": hit}
                    line |= {"stage_latencies": {"fetch_md": fetch}, "tick_total_ms": 80.0, "deadline_miss": False}
                    handle.write(json.dumps(line | {"fetch_md_cache_ms": cache}) + "\n")

    def canary(self, *words: str, now: float | None = None) -> tuple[int, dict[str, Any]]:
        own = ["--out", str(self.home / "out"), "--output", "json"]
        if words[0] in ("check", "advance", "accept"):
            own += ["--feeds", str(self.home / "feeds")]
        if now is not None:
            own += ["--now", datetime.fromtimestamp(now, UTC).isoformat()]
        code = run(["canary", *words, *own])
        return code, json.loads(self.capsys.readouterr().out)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def in_shadow(desk: Desk) -> float:
    """An hour without the cache, its baseline accepted, an hour in shadow; gives the time."""
    desk.tick(START, 3600, hit=False, cache=None)
    code, body = desk.canary("accept", "--name", "before", "--from", "2025-01-01", "--to", "2025-01-01T01:00")
    assert (code, body["data"]["version"], body["data"]["fetch_md_p95_ms"]) == (0, 1, 30.0)
    begin = START + 3600.0
    desk.tick(begin, 300)
    code, body = desk.canary("check", now=begin + 300)
    assert (code, body["data"]["state"]) == (0, "INCONCLUSIVE")
    assert desk.canary("check", "--strict", now=begin + 300)[0] == 1
    assert desk.canary("advance", now=begin + 300)[0] == 1
    desk.tick(begin + 300, 3360)
    return begin + 3660


def test_the_whole_way_by_cron(desk: Desk) -> None:
    now = in_shadow(desk)
    code, body = desk.canary("check", now=now)
    assert (code, body["data"]["state"], body["data"]["ready"]) == (0, "OK", True)
    assert body["data"]["measures"]["tick_total_p95_ms"] == 52.0  # 80 - 30 + 2
    code, body = desk.canary("check", "--advance", now=now)
    assert (code, body["data"]["phase"]) == (0, "10 % of the symbols")
    assert len(desk.canary("status")[1]["data"]["enabled"]) == 1
    for phase in ("50 % of the symbols", "100 % of the symbols"):
        desk.tick(now, 660, fetch=20.0, cache=None)
        now += 660
        code, body = desk.canary("check", "--advance", now=now)
        assert (code, body["data"]["phase"]) == (0, phase)
    desk.tick(now, 1860, fetch=20.0, cache=None)
    code, body = desk.canary("check", "--advance", now=now + 1860)
    assert (code, body["data"]["state"], body["data"]["ready"]) == (0, "OK", True)


def test_a_bad_cache_is_taken_back_until_a_reset(desk: Desk) -> None:
    now = in_shadow(desk)
    desk.canary("advance", now=now)
    desk.tick(now, 700, fetch=50.0, cache=None)
    code, body = desk.canary("check", now=now + 700)
    assert (code, body["data"]["state"]) == (1, "ROLLED_BACK")
    assert "+66.7 %" in body["errors"][0]["what"]
    assert desk.canary("check", now=now + 800)[0] == 1
    assert desk.canary("status")[0] == 1
    assert desk.canary("advance", now=now + 800)[0] == 1
    code, body = desk.canary("reset", "--reason", "mended")
    assert (code, body["data"]["cleared"]["event"]) == (0, "rollback")
    assert desk.canary("status")[1]["data"]["phase"] == "shadow"
    assert desk.canary("reset", "--reason", "again")[1]["data"]["cleared"] is None


def test_by_hand(desk: Desk) -> None:
    now = in_shadow(desk)
    desk.canary("advance", now=now)
    assert desk.canary("rollback", "--reason", "venue maintenance")[0] == 0
    code, body = desk.canary("status")
    assert code == 1
    assert body["errors"][0]["what"] == "rolled back: by hand: venue maintenance"


def test_no_feeds_are_no_data_not_a_crash(desk: Desk) -> None:
    code, body = desk.canary("check", now=START)
    assert (code, body["data"]["state"]) == (0, "NODATA")


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (["status"], 3, "bad-state"),
        (["rollback", "--reason", "x"], 3, "bad-state"),
        (["reset", "--reason", " "], 2, "usage"),
        (["accept", "--name", "x"], 3, "no-feeds"),
        (["accept", "--name", " "], 2, "usage"),
        (["check", "--now", "soon"], 2, "bad-time"),
        (["check", "--symbols", ","], 2, "usage"),
    ],
)
def test_bad_input_is_named(desk: Desk, words: list[str], code: int, name: str) -> None:
    found, body = desk.canary(*words)
    assert (found, body["errors"][0]["name"]) == (code, name)
    assert body["errors"][0]["hint"]


def test_too_few_ticks_make_no_baseline(desk: Desk) -> None:
    desk.tick(START, 60, cache=None)
    code, body = desk.canary("accept", "--name", "x")
    assert (code, body["errors"][0]["name"]) == (3, "no-lines-in-range")


def test_text_output_reads_well(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    now = in_shadow(desk)
    stamp = datetime.fromtimestamp(now, UTC).isoformat()
    words = ["--out", str(desk.home / "out"), "--feeds", str(desk.home / "feeds"), "--now", stamp]
    assert run(["canary", "check", *words]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "OK: shadow: every shadow criterion is met"
    assert "hit ratio 1, fetch_md p95 2 ms, tick_total p95 52 ms, late 0" in said[1]
    assert said[2].endswith("ready to advance")


def test_without_a_command_it_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["canary"]) == 2
    assert "check, advance, status" in capsys.readouterr().err
