"""Cost of a record and an evaluation of the AB harness: ``.venv/bin/python -m benchmarks.bench_ab``."""

from __future__ import annotations

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


def main() -> None:
    runs = {
        "floor: tuple on a deque": append_only,
        "record_tick": record_ticks,
        "record_fill": record_fills,
        "record_tick, evaluations included": record_and_judge,
        "bucket": ask_bucket,
    }
    print(table("per call", interleaved(runs, 40_000, 5), "floor: tuple on a deque"))


if __name__ == "__main__":
    main()
