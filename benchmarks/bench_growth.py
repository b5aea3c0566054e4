"""How ``calib aggregate`` grows: each shape of feeds at several sizes, with the slope from one to the next.

    python -m benchmarks.bench_growth                 # small sizes, minutes
    python -m benchmarks.bench_growth --scale 20      # 20 M ticks, 100,000 symbols, 1,600 days: an hour
    python -m benchmarks.bench_growth --only symbols

One thread (``--jobs 1``) reads, so that CPU seconds and the peak are its own; on a machine that does
nothing else its wall time is about its CPU time. The slope is the exponent between two sizes: 1 where twice the size
takes twice as much, 0 where it takes no more.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.bench_aggregate import measure

TS: Final = 1_735_689_600
DAY_S: Final = 86_400
TICKS: Final = "pipeline_ticks_20250101.jsonl"


def tick(ts: float, symbol: int, n: int) -> bytes:
    """A tick line of 250 bytes, about."""
    return (
        b'{"ts":%.6f,"symbol":"SYM%06dUSDT","stage_latencies":{"fetch_md":%.3f,"features":1.25,"strategy":2.5,'
        b'"risk":0.5,"quote":3.75},"tick_total_ms":%.3f,"cache_hit":%s,"deadline_miss":false,"cache_age_ms":%.2f,'
        b'"used_stale":false,"sample_rate":10,"n_quotes":2,"mid":%.2f}\n'
        % (
            ts,
            symbol,
            n * 7919 % 1000 / 100,
            8 + n * 104729 % 997 / 50,
            b"true" if n % 3 else b"false",
            n % 90,
            100 + n % 50 / 100,
        )
    )


def even(directory: Path, lines: int, symbols: int) -> None:
    """A day of so many ticks, in order, the symbols in turn."""
    with (directory / TICKS).open("wb", buffering=1 << 20) as handle:
        for n in range(lines):
            handle.write(tick(TS + n * DAY_S / lines, n % symbols, n))


def shuffled(directory: Path, lines: int) -> None:
    """The same of 50 symbols, in no order at all."""
    dice = random.Random(7)
    order = list(range(lines))
    dice.shuffle(order)
    with (directory / TICKS).open("wb", buffering=1 << 20) as handle:
        for n in order:
            handle.write(tick(TS + n * DAY_S / lines, n % 50, n))


def days(directory: Path, number: int) -> None:
    """So many days of 20 ticks each."""
    first = datetime(2020, 1, 1, tzinfo=UTC)
    for day in range(number):
        begin = first + timedelta(days=day)
        lines = b"".join(tick(begin.timestamp() + n * 10, n % 2, n) for n in range(20))
        (directory / f"pipeline_ticks_{begin:%Y%m%d}.jsonl").write_bytes(lines)


class Shape(NamedTuple):
    """One way to grow: what a size counts, the largest size at scale 1, what makes it, and more options."""

    unit: str
    largest: int
    make: Callable[[Path, int], None]
    options: tuple[str, ...] = ()


SHAPES: Final[dict[str, Shape]] = {
    "500 symbols": Shape("ticks", 1_000_000, lambda where, size: even(where, size, 500)),
    "symbols": Shape("symbols, 3 ticks each", 5_000, lambda where, size: even(where, 3 * size, size)),
    "one symbol": Shape("ticks", 500_000, lambda where, size: even(where, size, 1)),
    "1-second intervals": Shape(
        "ticks", 500_000, lambda where, size: even(where, size, 50), ("--interval-sec", "1", "--min-ticks", "0")
    ),
    "shuffled": Shape("ticks", 500_000, shuffled),
    "days": Shape("small days", 80, days),
}


def slope(small: float, large: float, ratio: float) -> float:
    """The exponent of growth between two sizes.

    >>> slope(1.0, 4.0, 2.0)
    2.0
    """
    return math.log(large / small, ratio)


def grow(name: str, shape: Shape, largest: int) -> None:
    """Measure a quarter, a half and the whole of a shape's largest size."""
    print(f"{name} ({shape.unit})", flush=True)
    before: tuple[int, float, float] | None = None
    for size in (largest // 4, largest // 2, largest):
        with tempfile.TemporaryDirectory() as place:
            feeds = Path(place) / "feeds"
            feeds.mkdir()
            shape.make(feeds, size)
            first = min(path.name for path in feeds.iterdir())
            (feeds / first.replace("pipeline_ticks", "fills")).touch()  # a kind without any file would be noted
            mb = sum(path.stat().st_size for path in feeds.iterdir()) / 1e6
            command = ["-m", "calib", "aggregate", "--feeds", str(feeds), "--out", f"{place}/out", "--quiet"]
            command += ["--jobs", "1", "--max-gap-sec", "1e9", "--min-ticks", "1", *shape.options]
            wall, cpu, peak = measure(command)
            shutil.rmtree(feeds)
        line = f"  {size:>10,}  {mb:7.1f} MB  {wall:7.1f} s  {cpu:7.2f} s CPU  {peak:5.0f} MB"
        if before is not None:
            ratio = size / before[0]
            line += f"   slope: {slope(before[1], cpu, ratio):.2f} CPU, {slope(before[2], peak, ratio):.2f} memory"
        print(line, flush=True)
        before = size, cpu, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="largest sizes are as many times larger")
    parser.add_argument("--only", choices=SHAPES, help="one shape")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    for name, shape in SHAPES.items():
        if given.only in (None, name):
            grow(name, shape, int(shape.largest * given.scale))


if __name__ == "__main__":
    main()
