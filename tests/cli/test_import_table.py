"""``calib import table`` and ``calib import guess`` as their user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from calib.cli.main import run

ROWS = """\
Time;Pair;Direction;Px;Amount;Role
2025-01-01 00:00:00.5;BTC/USDT;B;50000;2;Maker
2025-01-01 00:00:01;BTC/USDT;S;50001;2;Taker
2025-01-01 00:00:02;BTC/USDT;?;50001;2;Taker
"""
MAPS = [
    "ts=Time:iso", "symbol=Pair:compact", "side=Direction:{B:buy,S:sell}", "price=Px", "qty=Amount",
    "liquidity=Role:lower",
]  # fmt: skip


def log(directory: Path) -> Path:
    path = directory / "log.csv"
    path.write_text(ROWS)
    return path


def argv(path: Path, *more: str) -> list[str]:
    words = [word for text in MAPS for word in ("--map", text)]
    return ["import", "table", str(path), "--kind", "fills", *words, "--out", str(path.parent / "feeds"), *more]


def test_a_dry_run_shows_records_and_rejects_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = log(tmp_path)
    assert run(argv(path, "--dry-run", "--output", "json")) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert [(one["ts"], one["symbol"], one["side"]) for one in data["records"]] == [
        (1735689600.5, "BTCUSDT", "buy"), (1735689601.0, "BTCUSDT", "sell"),
    ]  # fmt: skip
    assert data["sources"][0]["rejected"] == {"not_in_mapping": {"count": 1, "first_line": 4}}
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_table_becomes_a_feed_and_a_second_run_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(argv(log(tmp_path), "--set", "bucket=A")) == 0
    day = tmp_path / "feeds" / "fills_20250101.jsonl"
    content = day.read_bytes()
    assert [json.loads(line)["bucket"] for line in content.splitlines()] == ["A", "A"]
    assert run(argv(tmp_path / "log.csv", "--set", "bucket=A")) == 0
    assert day.read_bytes() == content
    assert "unchanged" in capsys.readouterr().out


def test_what_guess_proposes_is_a_mapping_that_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = log(tmp_path)
    assert run(["import", "guess", str(path)]) == 0
    said = capsys.readouterr().out
    document = yaml.safe_load(said)
    assert document["map"]["ts"] == "Time:iso"
    assert all("  # " in line for line in said.splitlines() if line.startswith("  "))
    assert said.count("# record: ") == 2
    assert "no net_bps" in said
    (tmp_path / "map.yaml").write_text(said)
    out = str(tmp_path / "feeds")
    assert run(["import", "table", str(path), "--map-file", str(tmp_path / "map.yaml"), "--out", out]) == 0
    assert len((tmp_path / "feeds" / "fills_20250101.jsonl").read_bytes().splitlines()) == 2


def test_guess_says_what_it_did_not_find(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"when": 5, "px": "7"}\n')
    assert run(["import", "guess", str(path)]) == 0
    said = capsys.readouterr().out
    assert "# missing: ts: required; add --map ts=..." in said
    assert "price: 'px:number'" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kind", "fills", "--map", "ts=Time:iso"], "the mapping says nothing of symbol"),
        ([], "the kind of feed is missing"),
        (["--preset", "nope"], "there is no preset 'nope'"),
        (["--kind", "fills", "--map-file", "no.yaml", "--preset", "okx"], "both given"),
        (["--preset", "okx", "--kind", "trades"], "--kind is trades, but the mapping is of fills"),
        (["--kind", "fills", "--delimiter", ";;"], "is not a delimiter"),
        (["--preset", "okx", "--rate", "BNB=0"], "rate of BNB: '0' is not a price above 0"),
    ],
)
def test_words_that_make_no_sense(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", "table", str(log(tmp_path)), *words]) == 2
    assert said in capsys.readouterr().err


CUT = b'{"time": 1, "symbol": "BTC"'
DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000


@pytest.mark.parametrize(
    ("name", "content", "guessed", "imported"),
    [
        ("log.jsonl", CUT, "has no row that can be read [not-this-format]", "1 of 1 row damaged"),
        ("log.ndjson", CUT + b"\n", "has no row that can be read [not-this-format]", "1 of 1 row damaged"),
        ("log.jsonl", DEEP, "has no row that can be read [not-this-format]", "1 of 1 row damaged"),
        ("log.json", CUT, "the json ends in the middle [truncated-input]", "the json ends in the middle"),
        ("log.json", DEEP, "more than 1000 objects and arrays stand in one another", "[not-this-format]"),
    ],
)
def test_one_line_that_is_not_json_is_named(
    name: str, content: bytes, guessed: str, imported: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for words, said in (
        (["guess", str(path)], guessed),
        (["ccxt", str(path), "--out", str(tmp_path / "out")], imported),
    ):
        assert run(["import", *words]) == 3
        assert said in capsys.readouterr().err
