"""The same rows in every form that a table may have."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
import tracemalloc
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
from calib.importers.table.paths import value_at
from calib.importers.table.readers.elements import ElementScan
from calib.importers.table.readers.inside import DocumentScan

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


@pytest.mark.parametrize("name", ["x[1]", "x*", "x?", "~"])
@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_name_is_no_pattern(form: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for stem, price in (("x1", 7.0), (name, 8.0)):
        frame, content = pl.DataFrame(ROWS).with_columns(price=price), io.BytesIO()
        if form == "parquet":
            frame.write_parquet(content)
        else:
            frame.write_ipc(content)
        for path in (Path(f"{stem}.{form}"), Path(stem) / f"log.{form}"):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content.getvalue())
    for path in (Path(f"{name}.{form}"), Path(name) / f"log.{form}"):
        found = collect(table(), [path])
        assert [json.loads(line)["price"] for line in found.days["fills_20250101.jsonl"]] == [8.0] * 5


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
    scan = ElementScan()
    found = [part for at in range(0, len(text), block) for part, _ in scan.feed(text[at : at + block])]
    assert [json.loads(part) for part in found] == rows
    assert scan.rest() == b""


NAMES = st.sampled_from(["a", "b", 'q"\\', "\u00e9:{", "a.b"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["[", "]}", '"', "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150)
@given(
    st.lists(st.dictionaries(NAMES, DOCUMENTS, max_size=3), min_size=1, max_size=3),
    st.lists(NAMES | st.sampled_from(["0", "1"]), min_size=1, max_size=3),
    st.integers(1, 30),
    st.sampled_from([None, 1]),
)
def test_an_array_inside_is_found_where_the_parser_finds_it(
    documents: list[dict[str, Any]], names: list[str], block: int, indent: int | None
) -> None:
    inside = ".".join(names)
    if any("a.b" in json.dumps(one) for one in documents):
        inside = names[0] if names[0] != "a.b" else "b"  # a dotted name and a path of the same text are two arrays
    text = "\n".join(json.dumps(one, ensure_ascii=False, indent=indent) for one in documents).encode()
    scan = DocumentScan(inside)
    parts = [part for at in range(0, len(text), block) for part in scan.feed(text[at : at + block])]
    found = [json.loads(part[0]) for part in parts if part is not None]
    assert parts.count(None) == scan.lacking
    arrays = [rows for one in documents if isinstance(rows := value_at(one, inside), list)]
    assert found == [row for rows in arrays for row in rows]
    assert (scan.documents, scan.found, scan.lacking) == (len(documents), len(arrays), len(documents) - len(arrays))
    assert scan.finish()


def inside(path: Path, text: str, **words: Any) -> Any:
    path.write_text(text)
    return collect(table(path="result.list", **words), [path], max_reject_ratio=1)


def test_pages_of_answers_one_after_another(tmp_path: Path) -> None:
    pages = [json.dumps({"code": 0, "result": {"n": [1], "list": [row]}, "time": [2]}) for row in ROWS]
    found = inside(tmp_path / "log.json", "\n".join([*pages[:2], '{"code": 10001, "result": {}}', *pages[2:]]))
    assert len(found.days["fills_20250101.jsonl"]) == 5
    assert dict(found.sources[0].rejected) == {"missing_field": 1}
    assert found.sources[0].first_line == {"missing_field": 3}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"result": {"rows": [], "more": [[1]]}, "x": [3]}', r"no array at the path 'result.list'"),
        ('{"result": {"list": [1]]}', "is not JSON: its brackets do not match"),
        ('{"result": {"list": []}} and so on', "is not JSON: other text stands after the end of a document"),
        ('{"result": {"list": []}} []', "is not JSON: other text stands after the end of a document"),
        ('{"a": ' + "[" * 2000, "is not JSON: more than 1000 objects and arrays stand in one another"),
    ],
)
def test_documents_that_do_not_fit(text: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(NotThisFormat, match=match) as caught:
        inside(tmp_path / "log.json", text)
    if "no array" in match:
        assert caught.value.hint == "Say --path; its arrays: result.rows, result.more, x"


@pytest.mark.parametrize("whole", [json.dumps({"result": {"list": ROWS}}), json.dumps(ROWS)])
def test_json_that_is_cut_short_is_said_and_can_be_salvaged(whole: str, tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    for cut in (whole.rindex("}, {") + 1, whole.rindex("]"), whole.rindex('"role"') + 3):
        path.write_text(whole[:cut])
        with pytest.raises(TruncatedInput, match="the json ends in the middle"):
            collect(table(path="result.list"), [path])
        found = collect(table(path="result.list"), [path], salvage=True)
        assert len(found.days["fills_20250101.jsonl"]) in (3, 4, 5)
        assert dict(found.sources[0].rejected) == {"cut_short": 1}


@pytest.mark.parametrize("packing", [".gz", ".zst", ".zip"])
def test_a_packed_document_that_is_cut_short_is_salvaged(packing: str, tmp_path: Path) -> None:
    path = tmp_path / f"log{packing}"
    rows = [ROWS[0] | {"note": f"{n * 7919:x}" * 5} for n in range(4000)]
    whole = PACKINGS[packing](json.dumps({"result": {"list": rows}}).encode())
    path.write_bytes(whole[:-200])
    with pytest.raises(TruncatedInput):
        collect(table(path="result.list"), [path])
    source = collect(table(path="result.list"), [path], salvage=True).sources[0]
    assert dict(source.rejected) == {"cut_short": 1}
    assert source.used == 0 if packing == ".zip" else source.used > 3000  # a zip's list of files stands at its end


def test_arrays_one_after_another(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps(ROWS[:2]) + "\n" + json.dumps(ROWS[2:]) + "\n")
    assert collect(table(), [path]).sources[0].used == 5
    path.write_text(json.dumps(ROWS[:2]) + ", and so on")
    with pytest.raises(NotThisFormat, match="other text stands after the end of the array, after row 2"):
        collect(table(), [path])


def test_memory_does_not_grow_with_a_document(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.json"
        row = json.dumps(ROWS[0] | {"note": "x" * 200})
        path.write_text(f'{{"result": {{"list": [{",".join([row] * rows)}], "tail": [{",".join([row] * rows)}]}}}}')
        made = table(path="result.list")
        tracemalloc.start()
        assert sum(1 for _ in made.read(path)) == rows
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)  # what is made once and kept
    assert peak(8000) < 1.25 * peak(2000)


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
