"""Every reason with lines made by hand: the line, the reason, the field."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest

from calib.feeds.schema.table import FEEDS, Field, Type
from calib.feeds.schema.validation import RejectReason, judge_line, judge_record
from tests.feeds.helpers import TS, VALID, line

LONG = "9" * 400
FAULTS: list[tuple[str, bytes, str, str]] = [
    # no JSON at all
    ("fills", b"garbage", "bad_json", ""),
    ("fills", line("fills")[:-1], "bad_json", ""),
    ("fills", line("fills") + b"x", "bad_json", ""),
    ("fills", line("fills") + line("fills"), "bad_json", ""),
    ("fills", line("fills") + b"\r" + line("fills"), "bad_json", ""),
    ("fills", b"\x00" * 40, "bad_json", ""),
    ("fills", line("fills").replace(b"BTC", b"B\x00C"), "bad_json", ""),
    ("fills", line("fills").replace(b"BTC", b"B\tC"), "bad_json", ""),
    ("fills", line("fills", symbol="@").replace(b"@", b"\xff\xfe"), "bad_json", ""),
    ("fills", line("fills", note="@").replace(b"@", b"\xc3"), "bad_json", ""),
    ("fills", line("fills", note="@").replace(b"@", b"\xed\xa0\x80"), "bad_json", ""),
    ("fills", line("fills", symbol="@").replace(b"@", b"\\ud800"), "bad_json", ""),
    ("fills", line("fills", note="@").replace(b"@", b"\\udc00x"), "bad_json", ""),
    ("fills", line("fills", note=["@"]).replace(b"@", b"\\ud800"), "bad_json", ""),
    ("fills", line("fills", price="@").replace(b'"@"', b"NaN"), "bad_json", ""),
    ("fills", line("fills", note="@").replace(b'"@"', b"-Infinity"), "bad_json", ""),
    ("fills", line("fills", price="@").replace(b'"@"', b"1e400"), "bad_json", ""),
    ("fills", line("fills", note="@").replace(b'"@"', b"[1e400]"), "bad_json", ""),
    ("fills", line("fills", note="@").replace(b'"@"', LONG.encode()), "bad_json", ""),
    ("fills", line("fills", note="@").replace(b'"@"', b"-1E+999"), "bad_json", ""),
    ("pipeline_ticks", line("pipeline_ticks", sample_rate="@").replace(b'"@"', LONG.encode()), "bad_json", ""),
    ("fills", line("fills", price="@").replace(b'"@"', b"01"), "bad_json", ""),
    ("fills", line("fills", price="@").replace(b'"@"', b"1."), "bad_json", ""),
    ("fills", line("fills", price="@").replace(b'"@"', b"+1"), "bad_json", ""),
    ("fills", b"\xef\xbb\xbf" + line("fills"), "bad_json", ""),
    # JSON, but no object
    ("fills", b"5", "not_object", ""),
    ("fills", b"null", "not_object", ""),
    ("fills", b'"text"', "not_object", ""),
    ("fills", b"[" + line("fills") + b"]", "not_object", ""),
    # required, and absent or null; the first of them in the order of the table
    ("fills", b"{}", "missing_field", "ts"),
    ("fills", line("fills", side=...), "missing_field", "side"),
    ("fills", line("fills", side=None), "missing_field", "side"),
    ("fills", line("fills", qty=..., symbol=None), "missing_field", "symbol"),
    ("pipeline_ticks", line("pipeline_ticks", deadline_miss=...), "missing_field", "deadline_miss"),
    ("book", line("book", bids=...), "missing_field", "bids"),
    ("quotes", line("quotes", qty_filled=None), "missing_field", "qty_filled"),
    # another type: nothing is coerced
    ("fills", line("fills", price="100.5"), "bad_type", "price"),
    ("fills", line("fills", price=True), "bad_type", "price"),
    ("fills", line("fills", symbol=5), "bad_type", "symbol"),
    ("fills", line("fills", symbol=True), "bad_type", "symbol"),
    ("fills", line("fills", symbol={"a": 1}), "bad_type", "symbol"),
    ("fills", line("fills", ts="2025-01-01"), "bad_type", "ts"),
    ("fills", line("fills", ts_iso=5), "bad_type", "ts_iso"),
    ("fills", line("fills", trade_id=17), "bad_type", "trade_id"),
    ("fills", line("fills", side=1), "bad_type", "side"),
    ("pipeline_ticks", line("pipeline_ticks", cache_hit=1), "bad_type", "cache_hit"),
    ("pipeline_ticks", line("pipeline_ticks", cache_hit="true"), "bad_type", "cache_hit"),
    ("pipeline_ticks", line("pipeline_ticks", sample_rate=1.0), "bad_type", "sample_rate"),
    ("pipeline_ticks", line("pipeline_ticks", sample_rate="@").replace(b'"@"', b"1e1"), "bad_type", "sample_rate"),
    ("pipeline_ticks", line("pipeline_ticks", update_id=1.5e30), "bad_type", "update_id"),
    ("pipeline_ticks", line("pipeline_ticks", stage_latencies=[1]), "bad_type", "stage_latencies"),
    ("pipeline_ticks", line("pipeline_ticks", stage_latencies={"fetch_md": "1"}), "bad_type", "stage_latencies"),
    ("pipeline_ticks", line("pipeline_ticks", stage_p95_ms={"quote": False}), "bad_type", "stage_p95_ms"),
    ("book", line("book", bids={"100": 1}), "bad_type", "bids"),
    ("book", line("book", bids=[[100]]), "bad_type", "bids"),
    ("book", line("book", asks=[[100, 1, 2]]), "bad_type", "asks"),
    ("book", line("book", asks=[["100", 1]]), "bad_type", "asks"),
    # outside the domain
    ("fills", line("fills", price=0), "bad_value", "price"),
    ("fills", line("fills", price=-0.0), "bad_value", "price"),
    ("fills", line("fills", qty=-1), "bad_value", "qty"),
    ("fills", line("fills", symbol=""), "bad_value", "symbol"),
    ("fills", line("fills", symbol="X" * 65), "bad_value", "symbol"),
    ("fills", line("fills", symbol="A\x01B"), "bad_value", "symbol"),
    ("fills", line("fills", symbol="A\x7fB"), "bad_value", "symbol"),
    ("fills", line("fills", symbol="A\x85B"), "bad_value", "symbol"),
    ("fills", line("fills", side="BUY"), "bad_value", "side"),
    ("fills", line("fills", liquidity=""), "bad_value", "liquidity"),
    ("fills", line("fills", latency_ms=-0.5), "bad_value", "latency_ms"),
    ("fills", line("fills", bucket="C"), "bad_value", "bucket"),
    ("fills", line("fills", ts=TS * 1000), "bad_value", "ts"),
    ("fills", line("fills", ts=946684799.999), "bad_value", "ts"),
    ("fills", line("fills", ts=4102444800.5), "bad_value", "ts"),
    ("pipeline_ticks", line("pipeline_ticks", sample_rate=0), "bad_value", "sample_rate"),
    ("pipeline_ticks", line("pipeline_ticks", n_quotes=-1), "bad_value", "n_quotes"),
    ("pipeline_ticks", line("pipeline_ticks", update_id=2**63), "bad_value", "update_id"),
    ("pipeline_ticks", line("pipeline_ticks", update_id=2**70), "bad_value", "update_id"),
    ("pipeline_ticks", line("pipeline_ticks", stage_latencies={"fetch_md": -1}), "bad_value", "stage_latencies"),
    ("book", line("book", bids=[[0, 1]]), "bad_value", "bids"),
    ("book", line("book", asks=[[100, -1]]), "bad_value", "asks"),
    ("quotes", line("quotes", close_reason="lost"), "bad_value", "close_reason"),
    # several at once: the first in the order of the reasons, then in the order of the table
    ("fills", line("fills", price=-1, qty="2"), "bad_type", "qty"),
    ("fills", line("fills", price="1", liquidity=...), "missing_field", "liquidity"),
    ("fills", line("fills", mid_now=-1, price=-1), "bad_value", "price"),
    ("pipeline_ticks", line("pipeline_ticks", stage_latencies={"a": -1, "b": "x"}), "bad_type", "stage_latencies"),
]

ACCEPTED: list[tuple[str, bytes]] = [
    *((kind, line(kind)) for kind in VALID),
    ("fills", line("fills", fee_bps=None, ts_iso=None, mid_now=None)),
    ("fills", line("fills", symbol="X" * 64)),
    ("fills", line("fills", symbol="Ω币-USDT")),
    ("fills", line("fills", symbol="@").replace(b"@", b"\\ud83d\\ude00")),
    ("fills", line("fills", ts_iso="no time at all")),
    ("fills", line("fills", fee_bps=-1.5, spread_at_quote_bps=-2)),
    ("fills", line("fills", price=1.7976931348623157e308)),
    ("fills", line("fills", order_id="a\x00b")),
    ("fills", line("fills", note={"deep": [{"er": [1, 2]}]})),
    ("fills", b" \t" + line("fills") + b" \r"),
    ("fills", line("fills", qty="@").replace(b'"@"', b"12345678901234567890123")),
    ("pipeline_ticks", line("pipeline_ticks", update_id=2**63 - 1, depth=-(2**63))),
    ("pipeline_ticks", line("pipeline_ticks", stage_latencies={})),
    ("book", line("book", bids=[], asks=[])),
]


@pytest.mark.parametrize(("kind", "text", "reason", "field"), FAULTS)
def test_each_fault_has_its_reason_and_field(kind: str, text: bytes, reason: str, field: str) -> None:
    verdict = judge_line(FEEDS[kind], text)
    assert verdict.record is None
    assert verdict.fault is not None
    assert (verdict.fault.reason, verdict.fault.field) == (reason, field)
    assert verdict.fault.what


@pytest.mark.parametrize(("kind", "text"), ACCEPTED)
def test_what_the_rules_allow_is_accepted(kind: str, text: bytes) -> None:
    verdict = judge_line(FEEDS[kind], text)
    assert verdict.fault is None
    assert verdict.record is not None


def test_a_valid_record_has_floats_and_no_nulls() -> None:
    verdict = judge_line(FEEDS["fills"], line("fills", fee_bps=None, extra=1))
    assert verdict.record == VALID["fills"]
    assert type(verdict.record["qty"]) is float
    assert verdict.unknown == ("extra",)


def test_unknown_fields_are_named_for_bad_objects_too() -> None:
    assert judge_line(FEEDS["fills"], b'{"b": 1, "ts": null, "a": 2}').unknown == ("b", "a")


RECORDS: list[tuple[str, Any, RejectReason]] = [
    ("price", math.nan, RejectReason.BAD_VALUE),
    ("price", math.inf, RejectReason.BAD_VALUE),
    ("price", 10**400, RejectReason.BAD_VALUE),
    ("price", -5, RejectReason.BAD_VALUE),
    ("symbol", "", RejectReason.BAD_VALUE),
    ("symbol", b"BTC", RejectReason.BAD_TYPE),
    ("symbol", "\ud800", RejectReason.BAD_JSON),
    ("order_id", "x\udfff", RejectReason.BAD_JSON),
    ("side", None, RejectReason.MISSING_FIELD),
]


@pytest.mark.parametrize(("field", "value", "reason"), RECORDS)
def test_a_live_record_is_judged_by_the_same_rules(field: str, value: Any, reason: RejectReason) -> None:
    fault = judge_record(FEEDS["fills"], VALID["fills"] | {field: value})
    assert fault is not None
    assert (fault.reason, fault.field) == (reason, field)


def test_a_valid_live_record_has_no_fault() -> None:
    for kind, record in VALID.items():
        assert judge_record(FEEDS[kind], record) is None


def test_messages_do_not_repeat_a_huge_value() -> None:
    fault = judge_record(FEEDS["fills"], VALID["fills"] | {"side": "x" * 100_000})
    assert fault is not None
    assert len(fault.what) < 200


def test_ts_in_milliseconds_says_so() -> None:
    fault = judge_record(FEEDS["fills"], json.loads(line("fills", ts=TS * 1000)))
    assert fault is not None
    assert "looks like milliseconds" in fault.what


def _edges(field: Field) -> list[float]:
    """The bounds of a number, their neighbours, whole numbers, and what no number may be."""
    bounds = [bound for bound in (field.gt, field.ge, field.le) if bound is not None]
    near = [math.nextafter(bound, side) for bound in bounds for side in (-math.inf, math.inf)]
    largest = sys.float_info.max
    return [*bounds, *near, 0, -0.0, 1, -1, 5e-324, largest, -largest, math.inf, -math.inf, math.nan, 2**63, 2**63 - 1]


def _allowed(field: Field, value: float) -> bool:
    if field.type is Type.INTEGER and not (type(value) is int and -(2**63) <= value < 2**63):
        return False
    above = (field.gt is None or value > field.gt) and (field.ge is None or value >= field.ge)
    return math.isfinite(value) and above and (field.le is None or value <= field.le)


@pytest.mark.parametrize("kind", FEEDS)
def test_numbers_are_allowed_as_the_table_says(kind: str) -> None:
    for field in FEEDS[kind].fields:
        if field.type in (Type.NUMBER, Type.INTEGER):
            for value in _edges(field):
                fault = judge_record(FEEDS[kind], VALID[kind] | {field.name: value})
                assert (fault is None) is _allowed(field, value), (field.name, value, fault)
