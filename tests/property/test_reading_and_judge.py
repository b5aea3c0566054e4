"""Whatever the lines, the quick path and the judge agree: the same lines, the same values, the same reasons."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from calib.feeds.schema.table import FEEDS
from calib.feeds.schema.validation import judge_line
from tests.feeds.helpers import TS, VALID, make, read_all, read_columns

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 100),
    st.sampled_from([TS, TS - 0.5, TS + 86_400, TS * 1000, 1.7976931348623157e308, -0.0, 10**308, 10**400]),
    st.sampled_from(
        ["", "buy", "A", "snapshot", "X" * 64, "X" * 65, "\x00", "\x7f", "\x9f", "\ud800", "Ω", "\U0001f600"]
    ),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
UNKNOWN = st.sampled_from(
    ["extra", "another", 'quo"te', "back\\slash", "ünknown", "", "\ud800", "new\nline", "x" * 200]
)
SYMBOLS = st.sampled_from(["A\x00", "\x1f", "B\x7f", "C\x80", "\x9fD", "\xa0", "\u2028", "É" * 64, "É" * 65, "E F"])
JUNK = st.sampled_from(
    [
        b"",
        b" ",
        b"\r",
        b"\t \r",
        b"null",
        b"[]",
        b"{}",
        b"7",
        b'"x"',
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"NaN",
        b"1e400",
    ]
)
SPLICES = st.sampled_from(
    [
        b"\x00",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"NaN",
        b"Infinity",
        b"1e400",
        b"\\ud800",
        b"\\u0000",
        b'"',
        b"}",
        b"{",
        b"\r",
    ]
)


@st.composite
def hostile_lines(draw: st.DrawFn, kind: str) -> bytes:
    if draw(st.integers(0, 9)) == 0:
        return draw(JUNK)
    record: dict[str, Any] = dict(VALID[kind])
    if "trade_id" in record:
        record["trade_id"] = draw(st.sampled_from(["a", "b", "c", "d", None]))
    names = [field.name for field in FEEDS[kind].fields]
    if draw(st.integers(0, 3)) == 0:
        record["symbol"] = draw(SYMBOLS)
    for _ in range(draw(st.integers(0, 2))):
        record[draw(st.sampled_from(names) | UNKNOWN)] = draw(VALUES)
    if draw(st.integers(0, 4)) == 0:
        record.pop(draw(st.sampled_from(names)), None)
    text = json.dumps(record, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(SPLICES) + text[at + draw(st.integers(0, 3)) :]
    if draw(st.integers(0, 9)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    return text.replace(b"\n", b" ") + draw(st.sampled_from([b"", b"", b"\r", b" "]))


FILES = st.sampled_from(sorted(FEEDS)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(hostile_lines(kind), min_size=1, max_size=12))
)


def oracle(kind: str, texts: list[bytes]) -> tuple[list[tuple[int, dict[str, Any]]], dict[str, int]]:
    """Line by line, by the judge alone, with plain code for the day and the duplicates."""
    used: list[tuple[int, dict[str, Any]]] = []
    rejected: dict[str, int] = {}
    seen: set[tuple[Any, Any]] = set()
    for number, text in enumerate(texts, 1):
        if not text.strip(b" \t\r"):
            continue
        verdict = judge_line(FEEDS[kind], text)
        if verdict.record is None:
            assert verdict.fault is not None
            reason = verdict.fault.reason.value
        elif datetime.fromtimestamp(verdict.record["ts"], UTC).strftime("%Y%m%d") != "20250101":
            reason = "wrong_day"
        elif kind == "fills" and (key := (verdict.record["symbol"], verdict.record.get("trade_id"))) in seen:
            reason = "duplicate"
        else:
            used.append((number, verdict.record))
            if kind == "fills" and key[1] is not None:
                seen.add(key)
            continue
        rejected[reason] = rejected.get(reason, 0) + 1
    return used, rejected


@settings(max_examples=250, deadline=None)
@given(FILES, st.sampled_from([1, 300, 1 << 20]))
def test_the_quick_path_and_the_judge_agree(file: tuple[str, list[bytes]], chunk_bytes: int) -> None:
    kind, texts = file
    if texts[0].startswith(b"\xef\xbb\xbf"):
        texts = [b"", *texts]  # at the very beginning of a file it would be its byte-order mark
    used, rejected = oracle(kind, texts)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        stored = make(directory, b"".join(text + b"\n" for text in texts), kind)
        pairs, stats, rejects = read_all(stored, directory, chunk_bytes=chunk_bytes)
        flat = [
            field.name
            for field in FEEDS[kind].fields
            if field.name not in ("bids", "asks", "stage_latencies", "stage_p95_ms")
        ]
        rows, same, _ = read_columns(stored, flat, directory, chunk_bytes=chunk_bytes)
    assert dict(stats.rejected) == rejected
    assert stats.lines == stats.used + sum(rejected.values())
    assert len(rejects.splitlines()) == sum(rejected.values())
    names = [field.name for field in FEEDS[kind].fields]
    found = [
        (number, {name: value for name in names if (value := getattr(record, name)) is not None})
        for number, record in pairs
    ]
    assert found == used
    assert rows == [(number, *(record.get(name) for name in flat)) for number, record in used]
    assert same == stats
