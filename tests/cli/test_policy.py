"""calib policy: the table, the questions, the way out of an emergency, the assessment."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run
from calib.policy import DATA_TYPES, CacheComplianceMonitor, EmergencyResponse, FakeTradingEngine

Out = pytest.CaptureFixture[str]


def result(capsys: Out, *words: str) -> tuple[int, dict[str, Any]]:
    code = run(["policy", *words, "--output", "json"])
    return code, json.loads(capsys.readouterr().out)


def violate(directory: Path, **options: Any) -> None:
    engine = FakeTradingEngine(**options)
    response = EmergencyResponse(engine, directory, monitor=CacheComplianceMonitor(), step_timeout_s=5)

    async def main() -> None:
        await response.handle_cache_violation("balance_cache_access", "wallet")

    asyncio.run(main())
    assert response.status()["saved"]


def test_limits_prints_the_table(capsys: Out) -> None:
    assert run(["policy", "limits"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == list(DATA_TYPES)
    assert "never" in lines[0]
    assert lines[-1].startswith("(any other)")
    code, envelope = result(capsys, "limits")
    assert code == 0
    assert {row["name"]: row["limit_s"] for row in envelope["data"]["data_types"]} == {
        name: row.limit_s for name, row in DATA_TYPES.items()
    }


def test_classify_names_of_the_table(capsys: Out) -> None:
    code, envelope = result(capsys, "classify", "balance")
    assert (code, envelope["data"]["allowed"], envelope["data"]["decided_by"]) == (1, False, "table")
    assert result(capsys, "classify", "symbol_info")[0] == 0


def test_classify_asks_for_what_flags_do_not_say(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def confirm(text: str, **_: Any) -> bool:
        asked.append(text)
        return "static" in text

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", confirm)
    assert run(["policy", "classify", "holiday_calendar", "--no-real-time"]) == 0
    assert len(asked) == 4
    assert "may be cached, static, 1800 s" in capsys.readouterr().out


def test_classify_stops_asking_at_the_first_no(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text, **_: True)
    assert run(["policy", "classify", "funding_rate"]) == 1
    assert "decided by: affects_trading" in capsys.readouterr().out


def test_classify_in_a_pipe_takes_no_answer_for_a_no(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    code, envelope = result(capsys, "classify", "new_type", "--no-affects-trading")
    assert (code, envelope["data"]["decided_by"]) == (1, "changes_with_market")


def test_resume_after_the_checks_have_passed(tmp_path: Path, capsys: Out) -> None:
    violate(tmp_path)
    code, envelope = result(capsys, "status", "--state", str(tmp_path))
    assert (code, envelope["data"]["phase"], envelope["data"]["obstacles"]) == (1, "LATCHED", [])
    code, envelope = result(
        capsys, "resume", "--state", str(tmp_path), "--reason", "wallet fixed", "--paper-traded-until", "now"
    )
    assert (code, envelope["data"]["resumed"]) == (0, True)
    code, envelope = result(capsys, "status", "--state", str(tmp_path))
    assert (code, envelope["data"]["phase"]) == (0, "MONITORING")
    audit = [json.loads(line) for line in (tmp_path / "emergency_audit.jsonl").read_text().splitlines()]
    assert audit[-1]["event"] == "resumed"
    assert audit[-1]["reason"] == "wallet fixed"
    assert audit[-1]["by"].split()[0].isdigit()


@pytest.mark.parametrize(("until", "said"), [("now-1h", "before the last validation"), ("now+1h", "has not ended yet")])
def test_resume_is_refused_without_paper_trading(tmp_path: Path, capsys: Out, until: str, said: str) -> None:
    violate(tmp_path)
    code, envelope = result(capsys, "resume", "--state", str(tmp_path), "--reason", "r", "--paper-traded-until", until)
    assert code == 1
    assert said in envelope["data"]["obstacles"][0]
    assert result(capsys, "status", "--state", str(tmp_path))[1]["data"]["phase"] == "LATCHED"


def test_resume_asks_for_the_configured_length_of_paper_trading(tmp_path: Path, capsys: Out) -> None:
    violate(tmp_path)
    words = ["resume", "--state", str(tmp_path), "--reason", "r", "--paper-traded-until", "now"]
    code, envelope = result(capsys, *words, "--min-paper-trading-s", "1800")
    assert code == 1
    assert "at least 1800 s" in envelope["data"]["obstacles"][0]


@pytest.mark.parametrize("options", [{"failing": ["stop_trading"]}, {"cached": ["balances"]}], ids=str)
def test_resume_is_refused_where_a_step_or_the_validation_failed(
    tmp_path: Path, capsys: Out, options: dict[str, Any]
) -> None:
    violate(tmp_path, **options)
    words = ["resume", "--state", str(tmp_path), "--reason", "r", "--paper-traded-until", "now"]
    code, envelope = result(capsys, *words)
    assert code == 1
    assert any("failed" in one for one in envelope["data"]["obstacles"])
    assert result(capsys, *words, "--retired", "bot")[0] == 1  # no other process has run the procedure


def test_resume_without_an_emergency_says_where_it_looked(tmp_path: Path, capsys: Out) -> None:
    assert run(["policy", "resume", "--state", str(tmp_path), "--reason", "r", "--paper-traded-until", "now"]) == 0
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["policy"],
        ["policy", "resume"],
        ["policy", "resume", "--reason", " ", "--paper-traded-until", "now"],
        ["policy", "resume", "--reason", "r", "--paper-traded-until", "soon"],
        ["policy", "classify"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_two(words: list[str], capsys: Out) -> None:
    assert run(words) == 2
    assert "error:" in capsys.readouterr().err


def test_a_damaged_state_is_an_input_error_by_name(tmp_path: Path, capsys: Out) -> None:
    (tmp_path / "emergency.json").write_text('{"schema": "calib.emergency/1", "latched": []}')
    code, envelope = result(capsys, "status", "--state", str(tmp_path))
    assert (code, envelope["errors"][0]["name"]) == (3, "bad-state")
    assert run(["policy", "resume", "--state", str(tmp_path), "--reason", "r", "--paper-traded-until", "now"]) == 3


def test_assess_of_the_sample_feeds(tmp_path: Path, capsys: Out) -> None:
    code, envelope = result(capsys, "assess", "--feeds", "sample_feeds", "--out", str(tmp_path))
    data = envelope["data"]
    assert code == 0
    assert Path(data["report"]).read_text().startswith("# Stale market data")
    fills = sum(data["fills"][group]["fills"] for group in ("stale", "fresh", "unknown"))
    judged = fills - data["not_joined"]["fills"]
    assert data["not_joined"]["sampled"] is True
    assert judged == sum(data["sources"].values()) > 0
    assert (tmp_path / "rejects").is_dir()


def test_assess_without_a_judged_fill_is_a_no_with_strict_only(tmp_path: Path, capsys: Out) -> None:
    feeds = tmp_path / "feeds"
    feeds.mkdir()
    line = {"ts": 1735689601.0, "symbol": "X", "side": "buy", "price": 1.0, "qty": 1.0, "liquidity": "maker"}
    (feeds / "fills_20250101.jsonl").write_text(json.dumps(line) + "\n")
    words = ["policy", "assess", "--feeds", str(feeds), "--out", str(tmp_path / "out")]
    assert run(words) == 0
    assert run([*words, "--strict"]) == 1
    assert run([*words, "--from", "2030-01-01"]) == 3
    capsys.readouterr()
