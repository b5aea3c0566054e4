"""The dataset of random hostile feeds against the slow oracle: every number, every reject, every reason."""

from __future__ import annotations

import gzip
import json
import math
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.dataset.build import build_dataset
from calib.dataset.columns import COUNTS, NUMBERS
from calib.dataset.filters import DeadlineMiss, Filter, LowTicks, NonFinite, WsGap
from calib.dataset.model import Dataset
from calib.errors import NoLines, NoSuchSymbol
from tests.dataset import oracle

DAY_0 = 1_735_689_600
"""2025-01-01T00:00:00Z"""
SYMBOLS = ("BTCUSDT", "ETHUSDT", "ONE-USDT", "ünï", "a|b<i>", "\u2028\ufeffx")
HOSTILE: dict[str, tuple[bytes, ...]] = {
    "any": (
        b"garbage",
        b'{"ts": 1735689600.5, "symbol": "BTC',
        b"[]",
        b"5",
        b"null",
        b"{}",
        b'{"ts": NaN}',
        b'{"ts": 1e999}',
        b'{"a": 1} {"b": 2}',
        b'{"symbol": "\\ud800"}',
        b'{"symbol": "\xff\xfe"}',
        b'{"symbol": "a\x00b"}',
        b"\x00" * 20,
        b"{" * 50,
    ),
}


def _iso(day: int) -> str:
    return {0: "20250101", 1: "20250102", 2: "20250103", 3: "20250104"}[day]


def _maybe(rng: random.Random, make: Any) -> Any:
    """The value, null or absent, in that order of likelihood."""
    return rng.choices([make, lambda: None, lambda: ...], weights=[8, 1, 1])[0]()


def _moment(rng: random.Random, day: int) -> float | int:
    ts = DAY_0 + 86_400 * day + rng.choice([rng.uniform(0, 3_000), rng.uniform(80_000, 86_399), 0, 300, 86_399.999999])
    return rng.choice([round(ts, 6), math.floor(ts)])


def _price(rng: random.Random) -> float | int:
    return rng.choice(
        [round(rng.uniform(90, 110), 4), rng.randint(90, 110), 100.0, 0.00001234, 1e300, 1e-300, 2**53 + 1]
    )


def _usual_price(rng: random.Random) -> float:
    return round(rng.uniform(99, 101), 4)


def _tick(rng: random.Random, day: int, wild: bool) -> dict[str, Any]:
    price = _price if wild else _usual_price
    return {
        "ts": _moment(rng, day),
        "symbol": rng.choice(SYMBOLS[:3] if not wild else SYMBOLS),
        "stage_latencies": _maybe(
            rng, lambda: {"fetch_md": _maybe_null(rng, rng.uniform(0, 9)), "quote": rng.random()}
        ),
        "tick_total_ms": rng.choice([round(rng.uniform(0, 40), 3), rng.randint(0, 40), 0]),
        "cache_hit": rng.random() < 0.7,
        "deadline_miss": rng.random() < 0.05,
        "cache_age_ms": _maybe(rng, lambda: round(rng.uniform(0, 200), 3)),
        "used_stale": _maybe(rng, lambda: rng.random() < 0.1),
        "sample_rate": _maybe(rng, lambda: rng.choice([1, 5, 10, 2**62]) if wild else 10),
        "n_quotes": _maybe(rng, lambda: rng.choice([0, 1, 2, 2**63 - 1]) if wild else rng.randint(0, 2)),
        "mid": _maybe(rng, lambda: price(rng)),
        "ws_gap_ms": _maybe(rng, lambda: rng.uniform(0, 70_000)) if rng.random() < 0.2 else ...,
        "note": "a field that nobody listed" if rng.random() < 0.1 else ...,
    }


def _maybe_null(rng: random.Random, value: float) -> float | None:
    return None if rng.random() < 0.1 else value


def _fill(rng: random.Random, day: int, wild: bool) -> dict[str, Any]:
    price = _price if wild else _usual_price
    return {
        "ts": _moment(rng, day),
        "symbol": rng.choice(SYMBOLS[:3] if not wild else SYMBOLS),
        "side": rng.choice(["buy", "sell"]),
        "price": price(rng),
        "qty": rng.choice([rng.uniform(0.001, 5), rng.randint(1, 9)]),
        "liquidity": rng.choice(["maker", "maker", "taker"]),
        "quote_price": _maybe(rng, lambda: price(rng)),
        "mid_at_quote": _maybe(rng, lambda: price(rng)),
        "mid_now": _maybe(rng, lambda: price(rng)),
        "slip_bps": _maybe(rng, lambda: rng.uniform(-9, 9)),
        "fee_bps": _maybe(rng, lambda: rng.choice([-0.5, 0, 2.5])),
        "trade_id": _maybe(rng, lambda: f"t{rng.randint(0, 30)}"),
        "quote_id": _maybe(rng, lambda: f"q{rng.randint(0, 10)}"),
    }


def _corrupt(rng: random.Random, line: dict[str, Any]) -> bytes:
    """A line with one thing or two wrong in it."""
    for _ in range(rng.randint(1, 2)):
        name = rng.choice([name for name, value in line.items() if value is not ...])
        line[name] = rng.choice(
            ["5", -1, 0, True, None, 1.5, [], {}, {"fetch_md": "x"}, {"fetch_md": -1}, "", "x" * 65, 1e12]
        )
    if rng.random() < 0.2:
        line["ts"] = line["ts"] + 86_400 if isinstance(line["ts"], float) else "soon"
    return _encode(rng, line)


def _encode(rng: random.Random, line: dict[str, Any]) -> bytes:
    fields = [(name, value) for name, value in line.items() if value is not ...]
    if rng.random() < 0.2:
        rng.shuffle(fields)
    style: dict[str, Any] = rng.choice([{}, {"separators": (",", ":")}, {"ensure_ascii": False}])
    return json.dumps(dict(fields), **style).encode()


def _content(rng: random.Random, kind: str, day: int, count: int, bad: float, wild: bool) -> bytes:
    make = _fill if kind == "fills" else _tick
    lines = []
    for _ in range(count):
        line = make(rng, day, wild)
        draw = rng.random()
        if draw < bad / 2:
            lines.append(rng.choice(HOSTILE["any"]))
        elif draw < bad:
            lines.append(_corrupt(rng, line))
        else:
            lines.append(_encode(rng, line))
        if lines and rng.random() < 0.03:
            lines.append(rng.choice(lines))
        if rng.random() < 0.03:
            lines.append(b"")
    if rng.random() < 0.7:  # mostly in time order, as a bot writes
        lines.sort(key=_sort_key)
    ending = rng.choice([b"\n", b"\n", b"\r\n"])
    content = ending.join(lines) + rng.choice([ending, ending, b""])
    if rng.random() < 0.2:
        content = b"\xef\xbb\xbf" + content
    return content[: -rng.randint(1, 30)] if rng.random() < 0.2 else content


def _sort_key(line: bytes) -> float:
    try:
        return float(json.loads(line)["ts"])
    except (ValueError, KeyError, TypeError):
        return 0.0


def write_feeds(directory: Path, rng: random.Random, count: int, bad: float, wild: bool) -> None:
    """Random feeds of up to four days, with holes, each file in any of the three forms."""
    for kind in ("fills", "pipeline_ticks"):
        for day in range(4):
            if rng.random() < 0.3:
                continue
            content = _content(rng, kind, day, rng.randint(0, count), bad, wild)
            form = rng.choice(["", "", ".gz", ".zst"])
            if form == ".gz":
                content = gzip.compress(content, 1)
            elif form == ".zst":
                content = zstandard.ZstdCompressor().compress(content)
            (directory / f"{kind}_{_iso(day)}.jsonl{form}").write_bytes(content)


@st.composite
def asks(draw: st.DrawFn) -> oracle.Ask:
    start = DAY_0 + draw(st.sampled_from([0, -86_400, 86_400, 1000.5, 85_000]))
    length = draw(st.sampled_from([86_400, 2 * 86_400, 4 * 86_400, 3_600.25]))
    return oracle.Ask(
        start=start,
        end=start + length,
        interval_sec=draw(st.sampled_from([1, 7, 60, 300, 300, 3600, 7000, 86_400, 100_000])),
        symbols=draw(st.sampled_from([(), (), ("ETHUSDT",), ("BTCUSDT", "nobody")])),
        low_ticks=draw(st.sampled_from([None, 0, 2, 10])),
        deadline_miss=draw(st.sampled_from([None, 0.0, 0.05])),
        ws_gap=draw(st.sampled_from([None, 60.0, 250.0, 20_000.0])),
        non_finite=draw(st.sampled_from([None, True])),
        tick_sample_rate=draw(st.sampled_from([1, 10])),
        maker_fee_bps=draw(st.sampled_from([0.0, -0.2])),
        taker_fee_bps=draw(st.sampled_from([0.0, 4.5])),
    )


def filters_of(ask: oracle.Ask) -> list[Filter]:
    every: list[Filter | None] = [
        None if ask.low_ticks is None else LowTicks(ask.low_ticks),
        None if ask.deadline_miss is None else DeadlineMiss(ask.deadline_miss),
        None if ask.ws_gap is None else WsGap(ask.ws_gap),
        NonFinite() if ask.non_finite else None,
    ]
    return [rule for rule in every if rule is not None]


def build(directory: Path, ask: oracle.Ask) -> Dataset:
    return build_dataset(
        directory,
        start=ask.start,
        end=ask.end,
        interval_sec=ask.interval_sec,
        symbols=ask.symbols,
        filters=filters_of(ask),
        tick_sample_rate=ask.tick_sample_rate,
        maker_fee_bps=ask.maker_fee_bps,
        taker_fee_bps=ask.taker_fee_bps,
        max_reject_ratio=1.0,
        jobs=1,
    )


def same_numbers(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> None:
    exact = ("symbol", "start_ts", "end_ts", *(column.name for column in COUNTS))
    assert [[row[name] for name in exact] for row in ours] == [[row[name] for name in exact] for row in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        for column in NUMBERS:
            value, expected = mine[column.name], other[column.name]
            if value is None or expected is None:
                assert value is expected, (column.name, value, other)
            else:
                assert math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9), (column.name, value, other)


def expected_error(answer: oracle.Answer, ask: oracle.Ask) -> type[NoLines | NoSuchSymbol]:
    """Of a range without a row: none of the symbols occurs in its days, or no line is in the range itself."""
    present = {line["symbol"] for feed in answer.feeds.values() for line in feed.used}
    return NoSuchSymbol if ask.symbols and present and present.isdisjoint(ask.symbols) else NoLines


@given(
    seed=st.integers(0, 2**32),
    count=st.sampled_from([3, 40, 150]),
    bad=st.sampled_from([0.0, 0.05, 0.5]),
    wild=st.booleans(),
    ask=asks(),
)
@settings(max_examples=60, deadline=None)
def test_every_number_every_reject_and_every_reason_as_the_oracle_says(
    seed: int, count: int, bad: float, wild: bool, ask: oracle.Ask
) -> None:
    directory = Path(tempfile.mkdtemp())
    try:
        write_feeds(directory, random.Random(seed), count, bad, wild)
        if not any(directory.iterdir()):
            return
        expected = oracle.dataset(directory, ask)
        if not expected.kept and not expected.dropped:
            with pytest.raises(expected_error(expected, ask)):
                build(directory, ask)
            return
        dataset = build(directory, ask)
    finally:
        shutil.rmtree(directory)
    assert (dataset.range.from_ts, dataset.range.to_ts) == (expected.start, expected.end)
    assert {item.file: item.rejected for item in dataset.inputs} == {
        name: dict(sorted(feed.rejected.items())) for name, feed in expected.feeds.items()
    }
    assert [(i.file, i.bytes, i.sha256, i.lines, i.used) for i in dataset.inputs] == [
        (f.file, f.bytes, f.sha256, f.lines, len(f.used)) for f in expected.feeds.values()
    ]
    assert dataset.dropped.to_dicts() == expected.dropped
    same_numbers(dataset.intervals.to_dicts(), expected.kept)
