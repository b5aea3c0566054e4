"""Datasets on disk: every format gives back what was written, byte for byte the same each time; the rest is named."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from pathlib import Path

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.dataset.columns import FEATURES, NUMBERS, TARGETS
from calib.dataset.envelope import Envelope
from calib.dataset.model import (
    DROPPED,
    INTERVALS,
    SCHEMA,
    Counts,
    Dataset,
    Features,
    Filters,
    Input,
    MissingDays,
    Params,
    Range,
    Targets,
    Tool,
)
from calib.dataset.naming import dataset_name
from calib.dataset.store import read_dataset, write_dataset
from calib.errors import CalibError, NewerSchema, NotADataset, UnreadableInput, UnwritableOutput, WouldReplace

T0 = 1_735_689_600  # 2025-01-01T00:00:00Z
GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "dataset"

symbols = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**53)


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    keys = sorted(draw(st.sets(st.tuples(symbols, st.integers(0, 40)), max_size=8)))
    kept = [draw(st.booleans()) for _ in keys]
    rows = [
        {
            "symbol": symbol,
            "start_ts": T0 + 300 * slot,
            "end_ts": T0 + 300 * (slot + 1),
            **{name: draw(counts) for name in ("ticks", "fills", "quotes")},
            **{column.name: draw(numbers) for column in NUMBERS},
        }
        for (symbol, slot), keep in zip(keys, kept, strict=True)
        if keep
    ]
    dropped = [
        {"symbol": symbol, "start_ts": T0 + 300 * slot, "reasons": draw(st.sampled_from([["low_ticks"], ["a", "b"]]))}
        for (symbol, slot), keep in zip(keys, kept, strict=True)
        if not keep
    ]
    return Dataset(
        range=Range(
            from_="2025-01-01T00:00:00Z",
            to="2025-01-02T00:00:00Z",
            interval_sec=300,
            symbols=sorted({symbol for symbol, _ in keys}),
        ),
        filters=Filters(low_ticks=draw(st.none() | counts), deadline_miss=0.05, ws_gap=None, non_finite=True),
        params=Params(tick_sample_rate=10, maker_fee_bps=draw(st.floats(-5, 5)), taker_fee_bps=0.0),
        inputs=[
            Input(file=draw(symbols), bytes=draw(counts), sha256="0" * 64, lines=3, used=1, rejected={"bad_json": 2})
        ],
        missing_days=MissingDays(fills=["2025-01-02"], pipeline_ticks=[]),
        counts=Counts(intervals=len(keys), kept=len(rows), dropped={"low_ticks": len(dropped)}),
        intervals=pl.DataFrame(rows, schema=INTERVALS),
        dropped=pl.DataFrame(dropped, schema=DROPPED),
    )


def example() -> Dataset:
    """Two kept rows and one dropped, with a null in each kind of place."""
    nothing: dict[str, float | None] = {column.name: None for column in NUMBERS}
    rows = [
        {"symbol": "BTCUSDT", "start_ts": T0, "end_ts": T0 + 300, "ticks": 30, "fills": 2, "quotes": 300}
        | nothing
        | {"net_bps": -1.25, "fill_rate": 0.1, "latency_p95_ms": 1e-7, "max_gap_s": 12.0},
        {"symbol": "ETH|USDT", "start_ts": T0 + 600, "end_ts": T0 + 900, "ticks": 0, "fills": 1, "quotes": 0} | nothing,
    ]
    return Dataset(
        range=Range(
            from_="2025-01-01T00:00:00Z", to="2025-01-02T00:00:00Z", interval_sec=300, symbols=["BTCUSDT", "ETH|USDT"]
        ),
        filters=Filters(low_ticks=10, deadline_miss=0.05, ws_gap=60.0, non_finite=None),
        params=Params(tick_sample_rate=10, maker_fee_bps=-0.5, taker_fee_bps=2.0),
        inputs=[
            Input(file="fills_20250101.jsonl", bytes=10, sha256="a" * 64, lines=4, used=3, rejected={"bad_json": 1}),
            Input(file="pipeline_ticks_20250101.jsonl.gz", bytes=9, sha256="b" * 64, lines=30, used=30, rejected={}),
        ],
        missing_days=MissingDays(fills=[], pipeline_ticks=[]),
        counts=Counts(intervals=3, kept=2, dropped={"low_ticks": 1, "deadline_miss": 0, "ws_gap": 1, "non_finite": 0}),
        intervals=pl.DataFrame(rows, schema=INTERVALS),
        dropped=pl.DataFrame(
            [{"symbol": "BTCUSDT", "start_ts": T0 + 300, "reasons": ["low_ticks", "ws_gap"]}], schema=DROPPED
        ),
        tool=Tool(version="1.2.3"),
    )


@settings(max_examples=40, deadline=None)
@given(datasets())
def test_every_format_gives_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> None:
    directory = tmp_path_factory.mktemp("round")
    for path in write_dataset(dataset, directory, ["json", "parquet", "arrow"]):
        assert read_dataset(path).same_as(dataset), path.suffix


def _without_rows() -> Dataset:
    """The range and the settings of `example`, but every interval dropped: its file has the same name."""
    good = example()
    lost = [{"symbol": s, "start_ts": T0 + 300 * slot, "reasons": ["low_ticks"]} for s, slot in (("A", 0), ("A", 1))]
    return dataclasses.replace(
        good,
        counts=Counts(intervals=2, kept=0, dropped={"low_ticks": 2, "deadline_miss": 0, "ws_gap": 0, "non_finite": 0}),
        range=Range(from_=good.range.from_, to=good.range.to, interval_sec=300, symbols=["A"]),
        intervals=good.intervals.clear(),
        dropped=pl.DataFrame(lost, schema=DROPPED),
    )


@pytest.mark.parametrize("name", ["run[1]", "run*", "run?", "~"])
@pytest.mark.parametrize("form", ["json", "parquet", "arrow"])
def test_a_directorys_name_is_no_pattern(form: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_dataset(_without_rows(), Path("run1"), [form])
    [path] = write_dataset(example(), Path(name), [form])
    assert read_dataset(path).same_as(example())
    with pytest.raises(WouldReplace, match="has 2 kept intervals"):
        write_dataset(_without_rows(), Path(name), [form])
    assert read_dataset(path).same_as(example())


def test_the_same_dataset_is_the_same_bytes_and_is_left_alone(tmp_path: Path) -> None:
    forms = ["json", "parquet", "arrow", "csv"]
    first = write_dataset(example(), tmp_path / "one", forms)
    second = write_dataset(example(), tmp_path / "two", forms)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    inodes = [path.stat().st_ino for path in first]
    assert [path.stat().st_ino for path in write_dataset(example(), tmp_path / "one", forms)] == inodes


def test_json_is_the_golden_file(tmp_path: Path) -> None:
    [path] = write_dataset(example(), tmp_path)
    assert path.name == "calib_20250101_000000_20250102_000000_707d7635.json"
    assert path.read_text("utf-8") == (GOLDEN / path.name).read_text("utf-8")


def test_json_keys_stand_in_the_published_order(tmp_path: Path) -> None:
    [path] = write_dataset(example(), tmp_path)
    tree = json.loads(path.read_text("utf-8"))
    assert list(tree) == [
        *("schema", "range", "filters", "params", "inputs", "missing_days", "counts", "intervals", "dropped", "tool")
    ]
    assert tree["schema"] == "calib.dataset/1"
    assert list(tree["range"]) == ["from", "to", "interval_sec", "symbols"]
    row = tree["intervals"][0]
    assert list(row) == ["symbol", "start", "start_ts", "end_ts", "sample_count", "targets", "features"]
    assert list(row["targets"]) == [
        *("net_bps", "net_bps_equal", "markout_1s_bps", "markout_5s_bps", "markout_30s_bps"),
        *("slippage_bps", "fill_rate", "taker_share", "taker_share_notional", "notional", "pnl_mid"),
    ]
    assert row["start"] == "2025-01-01T00:00:00Z"
    assert row["features"]["latency_p95_ms"] == 1e-7
    assert tree["dropped"][0]["reasons"] == ["low_ticks", "ws_gap"]


def test_a_dataset_made_before_a_column_existed_reads_with_nulls_in_it() -> None:
    old = read_dataset(GOLDEN / "before_notional.json")
    assert old.intervals["notional"].null_count() == old.intervals.height == 2
    assert old.intervals["markout_5s_bps"].null_count() == 2
    assert old.intervals["net_bps"].to_list() == [-1.25, None]


def test_the_records_have_the_columns_of_the_table() -> None:
    assert Targets.__struct_fields__ == tuple(column.name for column in TARGETS)
    assert Features.__struct_fields__ == tuple(column.name for column in FEATURES)


def test_columns_carry_the_envelope_for_other_readers(tmp_path: Path) -> None:
    parquet, arrow = write_dataset(example(), tmp_path, ["parquet", "arrow"])
    with pa.OSFile(str(arrow)) as source:
        schemas = {"arrow": pa.ipc.open_file(source).schema, "parquet": pq.read_schema(parquet)}
    for form, schema in schemas.items():
        envelope = json.loads(schema.metadata[b"calib"])
        assert envelope["schema"] == "calib.dataset/1", form
        assert "intervals" not in envelope
        assert envelope["dropped"][0]["start"] == "2025-01-01T00:05:00Z"
        assert schema.names[:3] == ["symbol", "start", "start_ts"]
        assert str(schema.field("start").type) == "timestamp[us, tz=UTC]"
    for frame in (pl.read_parquet(parquet), pl.read_ipc(arrow)):
        assert frame["symbol"].to_list() == ["BTCUSDT", "ETH|USDT"]
        assert frame["net_bps"].to_list() == [-1.25, None]


def test_csv_holds_the_intervals_as_rfc_4180(tmp_path: Path) -> None:
    [path] = write_dataset(example(), tmp_path, ["csv"])
    text = path.read_bytes().decode()
    assert text.count("\r\n") == 3
    assert "\n" not in text.replace("\r\n", "")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["symbol"] for row in rows] == ["BTCUSDT", "ETH|USDT"]
    assert rows[0]["start"] == "2025-01-01T00:00:00Z"
    assert float(rows[0]["latency_p95_ms"]) == 1e-7
    assert rows[1]["net_bps"] == ""


def test_many_batches_and_chunks_come_back_in_order(tmp_path: Path) -> None:
    """More rows than one record batch and than one chunk of JSON objects hold."""
    height = 70_000
    row = example().intervals.head(1)
    frame = pl.concat([row] * height).with_columns(
        start_ts=T0 + pl.int_range(height, dtype=pl.Int64), net_bps=pl.int_range(height).cast(pl.Float64) / 7
    )
    base = example()
    dataset = Dataset(
        range=Range(from_=base.range.from_, to=base.range.to, interval_sec=300, symbols=["BTCUSDT"]),
        filters=base.filters,
        params=base.params,
        inputs=[],
        missing_days=base.missing_days,
        counts=Counts(intervals=height, kept=height, dropped={}),
        intervals=frame,
        dropped=DROPPED.to_frame(),
    )
    for path in write_dataset(dataset, tmp_path, ["json", "parquet", "arrow"]):
        assert read_dataset(path).same_as(dataset), path.suffix


def test_another_layout_of_the_same_json_is_read(tmp_path: Path) -> None:
    [path] = write_dataset(example(), tmp_path)
    other = tmp_path / "renamed"
    other.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "a_later_key": 1}), "utf-8")
    assert read_dataset(other).same_as(example())


def _json(tmp_path: Path) -> dict[str, object]:
    [path] = write_dataset(example(), tmp_path / "good")
    tree: dict[str, object] = json.loads(path.read_text("utf-8"))
    return tree


def _raised(path: Path) -> CalibError:
    with pytest.raises(CalibError) as caught:
        read_dataset(path)
    assert str(path) in caught.value.where
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"   \n", "is no calib dataset"),
        (b"hello", "is no calib dataset"),
        (b"\x00\x01\x02", "is no calib dataset"),
        (b"[1, 2]", "is no calib dataset"),
        (b"{}", "missing required field `schema`"),
        (b'{"schema": 3}', "Expected `str`"),
        (b'{"schema": "something/1"}', "'something/1'"),
        (b'{"schema": "calib.dataset/0"}', "'calib.dataset/0'"),
        (b'{"schema": "calib.dataset/1"}', "missing required field `range`"),
        (b'{"schema": "calib.dataset/1", "range": NaN}', "is damaged"),
        (b'{"schema": "calib.dataset/\xff"}', "is damaged"),
        (b'{"ts": 1.0, "symbol": "A"}\n{"ts": 2.0, "symbol": "A"}\n', "missing required field `schema`"),
        (b"symbol,start,start_ts\r\n", "csv"),
        (b"\x1f\x8b\x08\x00", "is compressed"),
        (b"\x28\xb5\x2f\xfd\x00", "is compressed"),
        (b"PAR1", "is damaged parquet"),
        (b"PAR1 and some more bytes PAR1", "is damaged parquet"),
        (b"ARROW1\x00\x00", "is damaged Arrow"),
    ],
)
def test_what_is_no_dataset_is_said_to_be_none(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    error = _raised(path)
    assert isinstance(error, NotADataset)
    assert said in error.what


@pytest.mark.parametrize("form", ["json", "parquet", "arrow"])
def test_a_truncated_file_is_said_to_be_damaged(tmp_path: Path, form: str) -> None:
    [path] = write_dataset(example(), tmp_path, [form])
    whole = path.read_bytes()
    for keep in (len(whole) - 3, len(whole) // 2, 20):
        path.write_bytes(whole[:keep])
        error = _raised(path)
        assert isinstance(error, NotADataset)
        assert "damaged" in error.what


@pytest.mark.parametrize("form", ["json", "parquet", "arrow"])
def test_a_newer_schema_asks_for_a_newer_calib(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calib.dataset.envelope.SCHEMA", "calib.dataset/7")
    [path] = write_dataset(example(), tmp_path, [form])
    monkeypatch.undo()
    error = _raised(path)
    assert isinstance(error, NewerSchema)
    assert "calib.dataset/7" in error.what
    assert "Upgrade" in error.hint


def test_a_parquet_of_other_make_is_no_dataset(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    assert "no key 'calib'" in _raised(path).what
    path = tmp_path / "other.arrow"
    pl.DataFrame({"a": [1]}).write_ipc(path)
    assert "no key 'calib'" in _raised(path).what


def test_a_parquet_that_lost_a_column_is_no_dataset(tmp_path: Path) -> None:
    [path] = write_dataset(example(), tmp_path, ["parquet"])
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["net_bps"]), path)
    assert "lacks the columns net_bps" in _raised(path).what


def test_a_dataset_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    tree = _json(tmp_path)
    path = tmp_path / "changed.json"
    for key, value, said in (
        ("intervals", [], "counts.kept is 2"),
        ("dropped", [], "counts.intervals is 3"),
        ("intervals", list(reversed(tree["intervals"])), "not sorted"),  # type: ignore[call-overload]
        ("range", {"from": "2025-01-02T00:00:00Z", "to": "2025-01-01T00:00:00Z", "interval_sec": 1, "symbols": []}, ""),
        ("range", {**tree["range"], "symbols": ["BTCUSDT"]}, "range.symbols"),  # type: ignore[dict-item]
        ("range", {"from": "yesterday", "to": "2025-01-01T00:00:00Z", "interval_sec": 1, "symbols": []}, "yesterday"),
    ):
        path.write_text(json.dumps({**tree, key: value}), "utf-8")
        error = _raised(path)
        assert isinstance(error, NotADataset)
        assert said in error.what


def test_a_wrong_type_in_a_row_names_the_rows(tmp_path: Path) -> None:
    tree = _json(tmp_path)
    tree["intervals"][1]["targets"]["net_bps"] = "5"  # type: ignore[index]
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(tree), "utf-8")
    error = _raised(path)
    assert "$[1].targets.net_bps" in error.what or "$[...].targets.net_bps" in error.what


@pytest.mark.parametrize("value", [10**30, -1, 10**15, 1.5])
def test_a_time_that_cannot_be_is_refused(tmp_path: Path, value: float) -> None:
    tree = _json(tmp_path)
    tree["intervals"][1]["start_ts"] = value  # type: ignore[index]
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(tree), "utf-8")
    assert isinstance(_raised(path), NotADataset)


def test_what_cannot_be_opened_is_unreadable(tmp_path: Path) -> None:
    missing = _raised(tmp_path / "nowhere.json")
    assert isinstance(missing, UnreadableInput)
    assert missing.what == "does not exist"
    directory = _raised(tmp_path)
    assert isinstance(directory, UnreadableInput)
    assert "is a directory" in directory.what
    (tmp_path / "file").write_text("x")
    assert "Not a directory" in _raised(tmp_path / "file" / "below.json").what


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _raised(tmp_path / "pipe").what == "is no regular file"


def test_an_output_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "datasets").write_text("a file stands in the way")
    with pytest.raises(UnwritableOutput):
        write_dataset(example(), tmp_path / "datasets")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_never_stored(value: float) -> None:
    base = example()
    with pytest.raises(ValueError, match="vol_realized_bps"):
        Dataset(
            range=base.range,
            filters=base.filters,
            params=base.params,
            inputs=base.inputs,
            missing_days=base.missing_days,
            counts=base.counts,
            intervals=base.intervals.with_columns(vol_realized_bps=pl.lit(value)),
            dropped=base.dropped,
        )


def test_the_name_carries_the_range() -> None:
    span = Range(from_="2025-01-01T06:05:00Z", to="2025-03-01T00:00:00Z", interval_sec=300, symbols=[])
    assert dataset_name(span) == "calib_20250101_060500_20250301_000000"


def test_the_schema_is_the_published_one() -> None:
    assert SCHEMA == "calib.dataset/1"
    assert Envelope.__struct_fields__[0] == "schema"
