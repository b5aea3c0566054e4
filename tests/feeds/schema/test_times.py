"""Every time field is plausible Unix seconds, on every path: judge, fast path, loggers, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calib.clock import VirtualClock
from calib.errors import BadRecord
from calib.feeds.reading.batches import read_records
from calib.feeds.reading.days import DayFile
from calib.feeds.schema.jsonschema import json_schema
from calib.feeds.schema.table import EARLIEST_TS, FEEDS, LATEST_TS, Type
from calib.feeds.schema.validation import RejectReason, judge_line
from calib.feeds.writers import FillLogger, TradeLogger
from calib.feeds.writers.encoding import Encoder
from tests.feeds.helpers import TS, VALID

TIMES = [(kind, field.name) for kind, feed in FEEDS.items() for field in feed.fields if field.is_time]


def test_the_time_fields_are_those_in_seconds() -> None:
    assert [
        (kind, field.name)
        for kind, feed in FEEDS.items()
        for field in feed.fields
        if field.unit == "s" and field.type is Type.NUMBER
    ] == TIMES
    assert {name for _, name in TIMES} == {"ts", "ts_exchange", "ts_quote", "ts_open", "ts_close"}


@pytest.mark.parametrize(("kind", "name"), TIMES)
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (TS * 1e3, "looks like milliseconds"),
        (TS * 1e6, "looks like microseconds"),
        (TS * 1e9, "looks like nanoseconds"),
        (0, "is not plausibly Unix seconds"),
        (-1.0, "is not plausibly Unix seconds"),
    ],
)
def test_another_unit_is_a_bad_value_that_names_it(
    kind: str, name: str, value: float, said: str, tmp_path: Path
) -> None:
    record: dict[str, Any] = VALID[kind] | {name: value}
    fault = judge_line(FEEDS[kind], json.dumps(record).encode()).fault
    assert fault is not None
    assert (fault.reason, fault.field) == (RejectReason.BAD_VALUE, name)
    assert said in fault.what
    path = tmp_path / f"{kind}_20250101.jsonl"
    path.write_text(json.dumps(VALID[kind]) + "\n" + json.dumps(record) + "\n")
    file = DayFile.of(path)
    assert file is not None
    reading = read_records(file, newest=False)
    assert (len(list(reading)), reading.stats.rejected) == (1, {"bad_value": 1})
    assert reading.stats.faults[0].sentence.startswith(f"{name}: ")
    with pytest.raises(BadRecord, match=said):
        Encoder(FEEDS[kind], VirtualClock(TS)).encode(record)
    rule = json_schema(FEEDS[kind])["properties"][name]
    assert (rule["minimum"], rule["maximum"]) == (EARLIEST_TS, LATEST_TS)


@pytest.mark.parametrize(("day", "ts"), [("19700101", 0.5), ("19991231", EARLIEST_TS - 1), ("21000101", LATEST_TS + 1)])
def test_a_file_of_an_implausible_day_gives_no_line(day: str, ts: float, tmp_path: Path) -> None:
    path = tmp_path / f"trades_{day}.jsonl"
    path.write_text(json.dumps(VALID["trades"] | {"ts": ts}) + "\n")
    file = DayFile.of(path)
    assert file is not None
    reading = read_records(file, newest=False)
    assert list(reading) == []
    assert reading.stats.rejected == {"bad_value": 1}


def test_the_bounds_themselves_are_plausible(tmp_path: Path) -> None:
    for day, ts in (("20000101", EARLIEST_TS), ("21000101", LATEST_TS)):
        path = tmp_path / f"trades_{day}.jsonl"
        path.write_text(json.dumps(VALID["trades"] | {"ts": ts}) + "\n")
        file = DayFile.of(path)
        assert file is not None
        assert len(list(read_records(file, newest=False))) == 1


def test_a_logger_refuses_a_clock_at_1970(tmp_path: Path) -> None:
    trade = {"symbol": "X", "price": 1.0, "qty": 1.0, "side": "buy"}
    with TradeLogger(tmp_path, clock=VirtualClock(12.0)) as trades:
        with pytest.raises(BadRecord, match=r"the clock is wrong: 12\.0 is not plausibly"):
            trades.log(trade)
        assert trades.log(trade | {"ts": TS})
        assert trades.stats.refused == 1
    with FillLogger(tmp_path, clock=VirtualClock(TS)) as fills:
        assert fills.log(trade | {"liquidity": "maker"})
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == [
        "fills_20250101.jsonl", "trades_20250101.jsonl",
    ]  # fmt: skip
