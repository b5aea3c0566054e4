"""The writers' quick check and the readers' judge are of one mind on every record."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from calib.clock import VirtualClock
from calib.errors import BadRecord
from calib.feeds.schema.table import FEEDS, Feed, Field, Type
from calib.feeds.schema.validation import judge_line, judge_record
from calib.feeds.writers.encoding import Encoder

NUMBERS = st.one_of(
    st.floats(), st.integers(-(2**70), 2**70), st.sampled_from([0, -0.0, 1, 5e-324, 1.7976931348623157e308, 10**400])
)
ANYTHING = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.text(max_size=3), st.just("\ud800"), st.just([]), st.just({})
)
GOOD: dict[Type, st.SearchStrategy[Any]] = {
    Type.STRING: st.sampled_from(["X", "buy", "maker", "snapshot", "cancelled", "A", "", "a\x85", "é" * 64, "é" * 65]),
    Type.NUMBER: st.sampled_from([1735689600.0000005, 1e9, 1, 946684800.0, 4102444800, 4102444800.5]),
    Type.INTEGER: st.sampled_from([0, 1, 2**63 - 1, 2**63, -1]),
    Type.BOOLEAN: st.booleans(),
    Type.STAGES: st.dictionaries(st.sampled_from(["risk", "é", "\ud800"]), ANYTHING, max_size=2),
    Type.LEVELS: st.lists(st.one_of(st.tuples(NUMBERS, NUMBERS), st.just([1.0, 0])), max_size=3),
}


def values(field: Field) -> st.SearchStrategy[Any]:
    if field.choices:
        return st.one_of(st.sampled_from(field.choices), st.sampled_from(field.choices), ANYTHING)
    plain = st.just(1e9) if field.type is Type.NUMBER else GOOD[field.type]
    return st.one_of(plain, plain, GOOD[field.type], ANYTHING)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Feed, dict[str, Any]]:
    feed = draw(st.sampled_from(sorted(FEEDS)))
    table = FEEDS[feed]
    spoiled = draw(
        st.sets(st.sampled_from([field.name for field in table.fields if field.name != "ts_iso"]), max_size=2)
    )
    record = {}
    for field in table.fields:
        if field.name in spoiled:
            record[field.name] = draw(values(field))
        elif field.required or draw(st.booleans()):
            record[field.name] = _valid(field)
    return table, record


def _valid(field: Field) -> Any:
    if field.choices:
        return field.choices[0]
    plain = {Type.STRING: "X", Type.NUMBER: 1e9, Type.INTEGER: 3, Type.BOOLEAN: True, Type.STAGES: {"risk": None},
             Type.LEVELS: [(1, 0)]}  # fmt: skip
    return plain[field.type]


@settings(deadline=None, max_examples=300)
@given(case=cases())
@example(
    case=(FEEDS["trades"], {"ts": 1e9, "ts_exchange": -(2**63) - 1, "symbol": "X", "price": 1, "qty": 1, "side": "buy"})
)
@example(case=(FEEDS["trades"], {"ts": 1e9, "symbol": "X", "price": 1, "qty": 10**25, "side": "buy"}))
@example(case=(FEEDS["book"], {"ts": 1e9, "symbol": "X", "type": "delta", "bids": [(1, 2**64)], "asks": []}))
@example(case=(FEEDS["trades"], {"ts": 1e9, "symbol": "X", "price": 1, "qty": 10**400, "side": "buy"}))
@example(
    case=(FEEDS["trades"], {"ts": 1e9, "symbol": "X", "price": 2**64, "qty": 1, "side": "buy", "trade_id": "\ud800"})
)
def test_the_writer_takes_what_the_judge_takes_and_blames_the_same_field(case: tuple[Feed, dict[str, Any]]) -> None:
    feed, record = case
    stamped = record if record.get("ts") is not None else {**record, "ts": 1e9}
    fault = judge_record(feed, stamped)
    assert outcome(feed, record) == (None if fault is None else f"{feed.kind}, {fault.field}")


def outcome(feed: Feed, record: dict[str, Any]) -> str | None:
    """Where the writer refuses the record; None where it takes it, and then the judge must take its line."""
    try:
        _, line = Encoder(feed, VirtualClock(1e9)).encode(record)
    except BadRecord as refusal:
        return refusal.where
    assert judge_line(feed, line).fault is None
    return None
