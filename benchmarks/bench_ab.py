"""Cost of a record and an evaluation of the AB harness: ``.venv/bin/python -m benchmarks.bench_ab``."""

from __future__ import annotations

import gc
import tracemalloc
from collections import deque

from benchmarks.timing import interleaved, table
from calib.experiments import ABHarness, ABSettings

T0 = 1_750_000_020.0
SYMBOLS = [f"S{i}" for i in range(10)]


def harness(rule: str) -> ABHarness:
    return ABHarness("shadow", 0.5, symbols=SYMBOLS, settings=ABSettings(assignment=rule))


def record_ticks(count: int) -> None:
    ab = harness("rank")
    record = ab.record_tick
    for i in range(count):
        record(SYMBOLS[i % 10], T0 + i * 0.01, 20.0, False, n_quotes=1)


def record_fills(count: int) -> None:
    ab = harness("switchback")
    record = ab.record_fill
    for i in range(count):
        record("S3", T0 + i * 0.01, "buy", 100.0, 1.0, "maker", quote_price=100.0, mid_at_quote=100.0, mid_now=100.01)


def record_and_judge(count: int) -> None:
    """All costs included: 10 symbols, 100 ticks a second, an evaluation every 5 s."""
    ab = harness("switchback")
    for i in range(count):
        ts = T0 + i * 0.01
        ab.record_tick(SYMBOLS[i % 10], ts, 20.0 + i % 7, False)
        if i % 500 == 0:
            ab.evaluate(ts)


def ask_bucket(count: int) -> None:
    ab = harness("switchback")
    for i in range(count):
        ab.bucket(SYMBOLS[i % 10], T0 + i * 0.01)


def append_only(count: int) -> None:
    """Baseline: the same data as a tuple on a bounded deque."""
    kept: deque[tuple[float, str, str, float, bool, int]] = deque(maxlen=1000)
    for i in range(count):
        kept.append((T0 + i * 0.01, SYMBOLS[i % 10], "A", 20.0, False, 1))


def bytes_an_arm(records: int) -> float:
    """Bytes that one arm of a harness keeps after ``records`` of its own, a tenth fills; evaluated every 5 s."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    ab = harness("rank")
    for i in range(2 * records):
        ts = T0 + i * 0.01
        if i % 10 == 0:
            ab.record_fill(
                SYMBOLS[i // 10 % 10], ts, "buy", 100.0 + i, 1.0 + i, "maker",
                quote_price=100.5 + i, mid_at_quote=100.25 + i, mid_now=100.75 + i,
            )  # fmt: skip
        else:
            ab.record_tick(SYMBOLS[i % 10], ts, 20.0 + i % 7, False, n_quotes=1)
        if i % 500 == 0:
            ab.evaluate(ts)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return kept / 2


def main() -> None:
    runs = {
        "floor: tuple on a deque": append_only,
        "record_tick": record_ticks,
        "record_fill": record_fills,
        "record_tick, evaluations included": record_and_judge,
        "bucket": ask_bucket,
    }
    print(table("per call", interleaved(runs, 40_000, 5), "floor: tuple on a deque"))
    for records in (10_000, 100_000, 500_000):
        print(f"  MB kept by an arm after {records:,} records of it: {bytes_an_arm(records) / 1e6:.2f}")


if __name__ == "__main__":
    main()
