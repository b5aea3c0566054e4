"""A log held against the venue: each difference placed by hand."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import typer

from calib.cli.app import app
from calib.cli.main import run
from calib.importers import Scratch
from calib.importers.reconcile import reconcile
from calib.importers.table.importer import Table

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


def fill(number: int, trade_id: str | None, **more: Any) -> dict[str, Any]:
    return {
        "ts": float(T + number), "symbol": "X", "trade_id": trade_id, "side": "buy", "price": 10.0, "qty": 1.0,
        "fee_bps": None, **more,
    }  # fmt: skip


def counts(venue: list[dict[str, Any]], log: list[dict[str, Any]]) -> dict[str, int]:
    return {name: one.count for name, one in reconcile(venue, log).findings.items() if one.count}


def test_both_sides_of_a_self_trade_have_one_id() -> None:
    both = [fill(1, "7"), fill(1, "7", side="sell")]
    assert counts(both, both) == {}
    assert counts(both, both[::-1]) == {}
    assert reconcile(both, both).logged == 2
    assert counts(both, both[:1]) == {"missing": 1}
    assert counts(both[:1], both) == {"extra": 1}
    assert counts(both, [*both, both[1]]) == {"twice": 1}
    assert counts(both, [both[1], both[0] | {"price": 11.0}]) == {"differs": 1}


def test_a_fill_that_two_pages_of_an_export_hold_counts_once() -> None:
    found = reconcile([fill(1, "7"), fill(1, "7"), fill(2, "8")], [fill(1, "7"), fill(2, "8")])
    assert (found.venue, found.logged, found.share) == (2, 2, 0)


def test_the_first_five_are_those_of_the_log_whatever_their_ids() -> None:
    venue = [fill(n, str(n)) for n in range(40)]
    log = [fill(n, str(n), price=11.0) for n in (33, 4, 10, 25, 7, 2, 9)]
    found = reconcile(venue, log)
    assert [one["trade_id"] for one in found.findings["differs"].first] == ["33", "4", "10", "25", "7"]
    assert [one["trade_id"] for one in found.findings["missing"].first] == ["0", "1", "3", "5", "6"]
    assert (found.findings["differs"].count, found.findings["missing"].count) == (7, 33)


def test_what_does_not_fit_into_memory_gives_the_same(tmp_path: Path) -> None:
    dice = random.Random(5)
    venue = [fill(n, str(n % 150), side=dice.choice(["buy", "sell"]), qty=dice.choice([1.0, 2.0])) for n in range(200)]
    log = [fill(n, str(n % 160), side=dice.choice(["buy", "sell"]), qty=dice.choice([1.0, 2.0])) for n in range(200)]
    log += [fill(3, None), fill(3, "")]
    with Scratch(tmp_path, 1) as scratch:
        small = reconcile(venue, log, scratch)
    assert small == reconcile(venue, log)
    assert small.without_id == 2
    assert all(one.count for one in small.findings.values())


def test_it_takes_the_options_of_a_table() -> None:
    def words(name: str) -> dict[str, str]:
        found: Any = typer.main.get_command(app)
        for part in name.split():
            found = found.commands[part]
        return {option.opts[0]: option.help.lower() for option in found.params if option.name != "files"}

    taken, given = words("reconcile"), words("import table")
    wanted = {option.flag for option in Table.options} - {"--kind"}
    assert wanted <= set(taken)
    own = {"--preset"}  # found by the file's form there
    assert {name: taken[name] for name in wanted - own} == {name: given[name] for name in wanted - own}


def test_a_fee_in_another_asset_needs_its_rate(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "all.json").write_text(
        json.dumps([trade(n, commission="0.00004", commissionAsset="BNB") for n in range(1, 11)])
    )
    assert run(["reconcile", "--feeds", str(place / "feeds"), "--against", str(place / "all.json")]) == 0
    assert "10 fees in another asset left out" in capsys.readouterr().err
    # 0.00004 BNB at 500 are 0.02 of 200: 1 bps, as logged; at 1000 they are 2 bps.
    assert found(place, capsys, "--rate", "BNB=500")[0] == 0
    code, data = found(place, capsys, "--rate", "BNB=1000")
    assert (code, data["differs"]["count"], data["differs"]["first"][0]["venue"]) == (1, 10, {"fee_bps": 2.0})


def test_tables_of_other_forms_by_the_words_of_an_import(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maps = ["ts=t", "symbol=s", "side=side", "price=p", "qty=q", "liquidity=l", "trade_id=i"]
    words = [word for text in maps for word in ("--map", text)]
    row = (T + 1, "BTCUSDT", "buy", 100, 2, "maker", "1")
    (place / "a.csv").write_text("t|s|side|p|q|l|i\n" + "|".join(map(str, row)) + "\n")
    (place / "a.json").write_text(
        json.dumps({"data": {"rows": [dict(zip(["t", "s", "side", "p", "q", "l", "i"], row, strict=True))]}})
    )
    with sqlite3.connect(place / "a.sqlite") as connection:
        connection.execute("CREATE TABLE mine (t, s, side, p, q, l, i)")
        connection.execute("CREATE TABLE other (x)")
        connection.execute("INSERT INTO mine VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    connection.close()
    forms = {
        "a.csv": ["--delimiter", "|"],
        "a.json": ["--path", "data.rows"],
        "a.sqlite": ["--table", "mine"],
    }
    for name, more in [*forms.items(), ("a.sqlite", ["--query", "SELECT * FROM mine"])]:
        code, data = found(place, capsys, "--against", str(place / name), *words, *more)
        assert (code, data["venue"], data["logged"]) == (0, 1, 1), name


def test_what_is_left_out_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = place / "feeds" / "fills_20250101.jsonl"
    day.write_text(day.read_text() + "{damaged\n")
    rows = [trade(n) for n in range(1, 11)]
    rows[0]["price"] = "-1"
    (place / "all.json").write_text(json.dumps(rows))
    words = ["reconcile", "--feeds", str(place / "feeds"), "--against", str(place / "all.json")]
    assert run(words) == 3
    assert "1 of 10 rows are damaged; the first is bad_value price" in capsys.readouterr().err
    assert run([*words, "--max-reject-ratio", "0.1", "--tolerance", "1"]) == 0
    said = capsys.readouterr().err
    assert "rows of the venue's file that are not fills and were left out: 1 bad_value" in said
    assert "lines of the log that are not fills and were left out: 1 bad_json" in said
