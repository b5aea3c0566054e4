"""One line in the table is a format: command, options and the battery follow from it."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calib.cli.main import run
from calib.errors import CalibError, NotThisFormat, TruncatedInput, UnreadableInput
from calib.importers import IMPORTERS, Imported, ImportOption, Rejected, collect, load
from calib.importers.base import Advance, unseen
from calib.importers.lines import text_lines

TS = 1735689600.5
NAMES = tuple(IMPORTERS)


class Dummy:
    """One trade a line: its price, of the symbol that the option names."""

    name: ClassVar[str] = "dummy"
    summary: ClassVar[str] = "Turn a list of prices into a trades feed."
    files: ClassVar[str] = "Text files."
    example: ClassVar[str] = "prices.txt --name X"
    options: ClassVar[tuple[ImportOption, ...]] = (
        ImportOption("--name", "The symbol.", "SYM"),
        ImportOption("--as-side", "The side.", choices=("buy", "sell")),
    )
    hints: ClassVar[Mapping[str, str]] = {"bad_type": "a price is a number"}

    def __init__(self, name: str | None = None, as_side: str | None = None) -> None:
        self._symbol, self._side = name, as_side or "buy"

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        for line, text, _ in text_lines(path, "", advance):
            if text.isdigit():
                record = {"ts": TS, "symbol": self._symbol, "price": float(text), "qty": 1.0, "side": self._side}
                yield Imported("trades", record, line)
            else:
                yield Rejected(line, "bad_type", "price", text.decode(), damaged=False)


def test_a_format_is_one_class_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "dummy_format", SimpleNamespace(Dummy=Dummy))
    monkeypatch.setitem(IMPORTERS, "dummy", "dummy_format:Dummy")
    assert run(["import", "--help"]) == 0
    assert "Turn a list of prices into a trades feed." in " ".join(capsys.readouterr().out.split())
    assert run(["import", "dummy", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(flag in said for flag in ("--name SYM", "--as-side", "--salvage"))
    (tmp_path / "prices.txt").write_text("5\nx\n7\n")
    argv = ["import", "dummy", str(tmp_path / "prices.txt"), "--out", str(tmp_path / "feeds"), "--name", "Y"]
    assert run([*argv, "--as-side", "sell"]) == 0
    assert "1 row rejected as bad_type: a price is a number" in capsys.readouterr().err
    lines = (tmp_path / "feeds" / "trades_20250101.jsonl").read_text().splitlines()
    assert [(one["symbol"], one["side"], one["price"]) for one in map(json.loads, lines)] == [
        ("Y", "sell", 5.0), ("Y", "sell", 7.0),
    ]  # fmt: skip
    assert run([*argv, "--as-side", "both"]) == 2


@pytest.mark.parametrize("name", NAMES)
def test_every_format_says_what_its_command_needs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    importer = load(name)
    assert importer.name == name
    assert importer.summary.endswith(".")
    assert all((importer.files, importer.example))
    assert run(["import", name, "--help"]) == 0
    said = capsys.readouterr().out
    for option in importer.options:
        assert option.flag in said


def made(name: str) -> Any:
    importer: Any = load(name)
    return importer(**WORDS.get(name, {}))


WORDS = {
    "table": {
        "kind": "fills",
        "map": ["ts=time:ms", "symbol=pair", "side=side", "price=price", "qty=qty", "liquidity=role"],
    }
}
"""Of each format that needs them: its own options."""
STARTS = {
    "hummingbot": (
        "trades_x.csv",
        (
            b"exchange_trade_id,symbol,base_asset,quote_asset,timestamp,order_id,trade_type,order_type,price,amount,trade_fee\n"
            b"t1,A-B,A,B,1652207035500,o1,BUY,LIMIT_MAKER,0.5,300,{}\n"
        ),
    ),
    "hftbacktest-collector": (
        "btcusdt_20240808",
        b'1723161255030314667 {"e":"depthUpdate","T":1723161255100,"s":"BTCUSDT","U":8,"u":9,"pu":7,"b":[],"a":[]}\n',
    ),
    "tardis": (
        "deribit_trades.csv",
        (
            b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
            b"deribit,X,1585699200000000,1585699200000100,1,buy,6424.5,10\n"
        ),
    ),
    "binance-vision": ("BTCUSDT-trades-2025-01-01.csv", b"1,93576.0,0.5,46788.0,1735689600000123,True,True\n"),
    "table": ("fills.csv", b"time,pair,side,price,qty,role\n1735689600500,BTCUSDT,buy,93000.5,0.1,maker\n"),
    "cryptofeed": (
        "BINANCE-1.0",
        b'1723161255.3: {"e":"trade","s":"BTCUSDT","t":12,"p":"1.6","q":"10","T":1723161255200,"m":false}\n',
    ),
}
"""Of each format of text: a name and a good beginning."""
text_formats = pytest.mark.parametrize("name", STARTS)


def test_every_format_of_text_is_tried() -> None:
    assert set(STARTS) | {"hftbacktest-npz"} == set(NAMES)


HOSTILE = [
    b"9" * 5000,
    b"[" * 5000,
    b'"' * 3,
    b"\x00\xff\xfe",
    b'{"e":["trade"]}',
    b"wss://[",
    b",,,,,,,,,,,",
    b'1723161255130314667 {"e":["trade"],"s":{}}',
    b'1723161255130314667 {"lastUpdateId":' + b"7" * 5000 + b',"bids":[],"asks":[]}',
    b'1723161255130314667 {"e":"depthUpdate","s":"X","U":1,"u":2,"b":[["1"]],"a":["12"],"E":1723161255100}',
    b'1723161255130314667 {"e":"depthUpdate","s":"X","U":1,"u":2,"b":[[[],{}]],"a":[],"E":1723161255100}',
    b'1723161255.5: {"e":{"a":1},"s":"X"}',
    b"wss://[stream <-> 1723161255.0",
    b"https://api.binance.com:99999999/api -> 1723161255.0: {}",
    b"deribit,X," + b"1" * 5000 + b",1585699200000100,1,buy,1,1",
    b"deribit,X,1585699200000000,1585699200000100,1,buy,1e400,nan",
    b"1,93576.0,0.5,46788.0," + b"9" * 5000 + b",True,True",
    (
        b"t1,A-B,A,B,1652207035500,o1,BUY,LIMIT_MAKER,9e999999,9e999999,"
        b"\"{'percent': 0.1, 'flat_fees': [{'token':'B','amount':'1'}]}\""
    ),
    b"t1,A-B,A,B,9e999999,o1,BUY,LIMIT_MAKER,1e-999999,1e-999999,\"{'percent': 9e999999}\"",
    b"t1,A-B,A,B,1652207035500,o1,BUY,LIMIT_MAKER,1,1,\"{'percent': " + b"9" * 5000 + b'}"',
]


@text_formats
@pytest.mark.parametrize("row", HOSTILE, ids=range(len(HOSTILE)))
def test_a_bad_row_is_counted_and_the_next_is_read(name: str, row: bytes, tmp_path: Path) -> None:
    file, start = STARTS[name]
    path = tmp_path / file
    good = start.splitlines(keepends=True)[-1]
    path.write_bytes(start + row + b"\n" + good)
    source = collect(made(name), [path], max_reject_ratio=1).sources[0]
    assert source.rows == source.used + sum(source.rejected.values())
    assert source.used >= 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@text_formats
def test_whatever_a_row_holds_the_import_goes_on(name: str, data: st.DataObject, tmp_path: Path) -> None:
    file, start = STARTS[name]
    good = start.splitlines(keepends=True)[-1]
    at = data.draw(st.integers(0, len(good) - 2))
    length = data.draw(st.integers(0, 12))
    spliced = good[:at] + data.draw(st.binary(max_size=12)).replace(b"\n", b"") + good[at + length : -1]
    path = tmp_path / file
    path.write_bytes(start + spliced + b"\n")
    try:
        source = collect(made(name), [path], max_reject_ratio=1).sources[0]
    except CalibError:
        return  # another symbol or market under the same name
    assert source.rows == source.used + sum(source.rejected.values())


@text_formats
def test_a_line_past_the_limit_is_one_reject_and_costs_little(name: str, tmp_path: Path) -> None:
    file, start = STARTS[name]
    path = tmp_path / file
    good = start.splitlines(keepends=True)[-1]
    path.write_bytes(gzip.compress(start + b"1" * (40 << 20) + b"\n" + good, 1) if name != "binance-vision" else b"")
    if name == "binance-vision":
        path.write_bytes(start + b"1" * (17 << 20) + b"\n" + good)
    source = collect(made(name), [path], max_reject_ratio=1).sources[0]
    assert source.rejected["line_too_long"] == 1
    assert source.first_damage is None or "16 MiB" in source.first_damage.what


@text_formats
def test_utf_16_is_named(name: str, tmp_path: Path) -> None:
    file, start = STARTS[name]
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        (tmp_path / file).write_bytes(start.decode().encode(encoding))
        with pytest.raises(NotThisFormat, match="is UTF-16 text"):
            list(made(name).read(tmp_path / file))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO here")
def test_a_fifo_is_refused_and_does_not_wait(name: str, tmp_path: Path) -> None:
    path = tmp_path / STARTS.get(name, ("btcusdt_20240101.npz", b""))[0]
    os.mkfifo(path)
    with pytest.raises((UnreadableInput, NotThisFormat)):
        list(made(name).read(path))


@text_formats
def test_what_came_before_the_cut_can_be_salvaged(name: str, tmp_path: Path) -> None:
    file, start = STARTS[name]
    path = tmp_path / file
    rows = b"".join(start.splitlines(keepends=True)[-1] for _ in range(4_000))
    packed = gzip.compress(start + rows, 0)
    path.write_bytes(packed[: len(packed) * 3 // 4])
    with pytest.raises(TruncatedInput, match="--salvage"):
        collect(made(name), [path])
    source = collect(made(name), [path], salvage=True).sources[0]
    assert source.rejected["cut_short"] == 1
    assert source.rows > 2_900


def test_object_rows_of_an_npz_are_refused_and_wide_ones_are_read_in_bounded_pieces(tmp_path: Path) -> None:
    path = tmp_path / "btcusdt_20240102.npz"
    fields = [("ev", "<u8"), ("exch_ts", "<i8"), ("local_ts", "<i8"), ("px", "<f8"), ("qty", "<f8")]
    np.savez(path, data=np.zeros(3, [*fields, ("more", "V100000")]))
    with pytest.raises(NotThisFormat, match="bytes wide"):
        list(made("hftbacktest-npz").read(path))
    np.savez(path, data=np.zeros(300, [*fields, ("more", "V60000")]))
    assert len(list(made("hftbacktest-npz").read(path))) == 300
