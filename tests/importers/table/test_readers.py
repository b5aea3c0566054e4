"""The same rows in every form that a table may have."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.errors import NotThisFormat, TruncatedInput, UsageError
from calib.importers import collect
from calib.importers.table.importer import Table
from calib.importers.table.readers.documents import _Scan

ROWS = [
    {
        "time": 1735689600000 + 500 * n,
        "pair": 'A;\u00e9"B',
        "side": "buy",
        "price": 100.25 + n,
        "qty": 1,
        "role": "maker",
    }
    for n in range(5)
]
MAPS = ["ts=time:ms", "symbol=pair", "side=side", "price=price", "qty=qty", "liquidity=role"]


def _csv(delimiter: str) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(ROWS[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue().encode()


def _columnar(write: Callable[[pl.DataFrame, io.BytesIO], object]) -> bytes:
    handle = io.BytesIO()
    write(pl.DataFrame(ROWS), handle)
    return handle.getvalue()


def _sqlite(path: Path) -> bytes:
    target = path / "made.sqlite"
    with sqlite3.connect(target) as connection:
        connection.execute("CREATE TABLE f (time INTEGER, pair TEXT, side TEXT, price REAL, qty INTEGER, role TEXT)")
        connection.executemany("INSERT INTO f VALUES (?, ?, ?, ?, ?, ?)", [tuple(row.values()) for row in ROWS])
    connection.close()
    content = target.read_bytes()
    target.unlink()
    return content


FORMS: dict[str, Callable[[Path], bytes]] = {
    "comma": lambda _: _csv(","),
    "semicolon": lambda _: _csv(";"),
    "tab": lambda _: _csv("\t"),
    "mark": lambda _: b"\xef\xbb\xbf" + _csv(","),
    "jsonl": lambda _: b"\n".join(json.dumps(row).encode() for row in ROWS),
    "json": lambda _: json.dumps(ROWS, indent=1).encode(),
    "inside": lambda _: json.dumps({"a": {"rows": ROWS}}).encode(),
    "parquet": lambda _: _columnar(pl.DataFrame.write_parquet),
    "arrow": lambda _: _columnar(pl.DataFrame.write_ipc),
    "sqlite": _sqlite,
}


def _zip(content: bytes) -> bytes:
    handle = io.BytesIO()
    with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner", content)
    return handle.getvalue()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": gzip.compress,
    ".zst": zstandard.compress,
    ".zip": _zip,
}


def table(**words: Any) -> Any:
    return Table(kind="fills", map=MAPS, **words)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_records(form: str, packing: str, tmp_path: Path) -> None:
    path = tmp_path / f"log{packing}"
    path.write_bytes(PACKINGS[packing](FORMS[form](tmp_path)))
    found = collect(table(path="a.rows" if form == "inside" else None), [path])
    records = [json.loads(line) for line in found.days["fills_20250101.jsonl"]]
    assert [(one["ts"], one["symbol"], one["price"], one["qty"]) for one in records] == [
        (1735689600 + 0.5 * n, 'A;\u00e9"B', 100.25 + n, 1.0) for n in range(5)
    ]


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_packed_file_that_is_cut_short(packing: str, tmp_path: Path) -> None:
    path = tmp_path / f"log{packing}"
    rows = b"\n".join(json.dumps(ROWS[0] | {"note": str(n) * 40}).encode() for n in range(3000))
    path.write_bytes(PACKINGS[packing](rows)[:-20])
    with pytest.raises(TruncatedInput):
        collect(table(), [path])


def test_a_damaged_element_of_an_array_is_one_reject(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    parts = [json.dumps(row) for row in ROWS]
    path.write_text("[" + ",".join([parts[0], '{"time": tru}', "7", *parts[1:]]) + "]")
    source = collect(table(), [path], max_reject_ratio=1).sources[0]
    assert (source.used, dict(source.rejected)) == (5, {"bad_json": 1, "not_object": 1})


@settings(max_examples=80)
@given(
    st.lists(st.dictionaries(st.text(max_size=4), st.one_of(st.text(max_size=6), st.lists(st.integers()))), max_size=5),
    st.integers(1, 40),
)
def test_an_array_is_cut_where_the_parser_cuts_it(rows: list[dict[str, Any]], block: int) -> None:
    text = json.dumps(rows, ensure_ascii=False).encode()
    scan = _Scan()
    found = [part for at in range(0, len(text), block) for part, _ in scan.feed(text[at : at + block])]
    assert [json.loads(part) for part in found] == rows
    assert scan.rest() == b""


def test_a_database_is_only_read(tmp_path: Path) -> None:
    path = tmp_path / "bot.sqlite"
    path.write_bytes(_sqlite(tmp_path))
    before = path.read_bytes()
    for query in ("DELETE FROM f", "DROP TABLE f", "ATTACH 'x' AS y", "PRAGMA user_version = 3", "SELEC 1"):
        with pytest.raises(UsageError, match="the query is refused"):
            list(table(query=query).read(path))
    with pytest.raises(NotThisFormat, match="no table 'g'"):
        list(table(table="g").read(path))
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [path]
    assert len(list(table(query="SELECT * FROM f WHERE price > 102").read(path))) == 3


def test_a_header_that_lacks_a_column_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("time,pair\n1,2\n")
    with pytest.raises(NotThisFormat, match="does not fit the mapping: it lacks side, price, qty, role"):
        collect(table(), [path])


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"1,2,3\n4,5,6\n", "has no header"),
        (b"a,a\n", "two columns 'a'"),
        (b"a,,b\n", "a name is empty"),
        (b'{"x": [1], "y": 2}\n{', ""),
        (b'{\n"x": 1}', "is an object, not an array"),
        (b"PAR1 and no more", "cannot be read as parquet"),
        (b"ARROW1 and no more", "cannot be read as arrow"),
        (b"SQLite format 3\0 and no more", "cannot be read as sqlite"),
    ],
)
def test_what_is_not_a_table_is_refused(content: bytes, match: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    if match:
        with pytest.raises(NotThisFormat, match=match):
            list(table().read(path))
    else:
        assert not collect(table(), [path], max_reject_ratio=1).used


def test_a_typed_time_needs_no_unit(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    frame = pl.DataFrame(ROWS).with_columns(pl.from_epoch("time", "ms"), qty=pl.lit(None, pl.Float64))
    frame.with_columns(qty=pl.lit(float("nan"))).write_parquet(path)
    rows = list(Table(kind="fills", map=["ts=time", *MAPS[1:]], set=["order_id=1"]).read(path))
    assert {getattr(row, "reason", "") for row in rows} == {"missing_field"}
    frame.with_columns(qty=pl.lit(2.0)).write_parquet(path)
    first: Any = next(iter(Table(kind="fills", map=["ts=time", *MAPS[1:]]).read(path)))
    assert first.record["ts"] == 1735689600.0
