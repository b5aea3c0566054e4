"""The reader of feeds against `wc -l` and an orjson loop, on generated feeds.

    python benchmarks/bench_reading.py --hours 24            # the whole size: 1.8 GB of ticks, 0.16 GB of fills
    python benchmarks/bench_reading.py --hours 2 --bad 0.001

Wall and CPU seconds are of the whole process with its workers, start-up included; the peak is the sum of the resident
set of this process and of its largest child times the number of workers (an upper bound), each measured in a separate
process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TS = 1_735_689_600
SYMBOLS = 50
TICKS_PER_S = 50
FILLS_PER_S = 5.8
STAGES = ("fetch_md", "features", "strategy", "risk", "quote")
TICK_COLUMNS = [
    "ts",
    "symbol",
    "tick_total_ms",
    "stage_latencies.fetch_md",
    "cache_hit",
    "cache_age_ms",
    "deadline_miss",
    "used_stale",
    "sample_rate",
    "n_quotes",
    "mid",
    "ws_gap_ms",
]
FILL_COLUMNS = [
    "ts",
    "symbol",
    "side",
    "price",
    "qty",
    "liquidity",
    "quote_price",
    "mid_at_quote",
    "mid_now",
    "slip_bps",
    "fee_bps",
    "trade_id",
    "quote_id",
]


def make_feeds(directory: Path, hours: float, bad: float) -> None:
    """Seeded feeds of one day; ``bad`` is the share of bad lines."""
    seconds = int(hours * 3600)
    dice = random.Random(7)
    with (directory / "pipeline_ticks_20250101.jsonl").open("wb", buffering=1 << 20) as ticks:
        for n in range(seconds * TICKS_PER_S):
            ticks.write(_bent(dice, bad, _tick(n)))
    with (directory / "fills_20250101.jsonl").open("wb", buffering=1 << 20) as fills:
        for n in range(int(seconds * FILLS_PER_S)):
            fills.write(_bent(dice, bad, _fill(n)))


def _bent(dice: random.Random, bad: float, line: bytes) -> bytes:
    if bad and dice.random() < bad:
        return dice.choice([b"garbage\n", line[:60] + b"\n", line.replace(b'"symbol":"', b'"symbol":5,"s":"')])
    return line


def _tick(n: int) -> bytes:
    ts, a, b = TS + n / TICKS_PER_S, n * 7919 % 1000 / 100, n * 104729 % 997 / 50
    total = a + b + 3.25
    return (
        b'{"ts":%.6f,"ts_iso":"2025-01-01T%02d:%02d:%02d.000000Z","symbol":"SYM%02dUSDT","stage_latencies":{"fetch_md":%.3f,'
        b'"features":%.3f,"strategy":1.25,"risk":0.5,"quote":%.3f},"stage_p95_ms":{"fetch_md":%.3f,"features":9.5,'
        b'"strategy":2.5,"risk":1.25,"quote":19.5},"tick_total_ms":%.3f,"cache_hit":%s,"deadline_miss":false,'
        b'"cache_age_ms":%.2f,"used_stale":false,"sample_rate":10,"n_quotes":2,"mid":%.2f}\n'
        % (ts, n // 180_000 % 24, n // 3000 % 60, n // 50 % 60, n % SYMBOLS, a, b, a / 2, a + 8, total,
           b"true" if n % 3 else b"false", b, 100 + a / 100)
    )  # fmt: skip


def _fill(n: int) -> bytes:
    price = 100 + n * 7919 % 1000 / 100
    return (
        b'{"ts":%.6f,"symbol":"SYM%02dUSDT","side":"%s","price":%.2f,"qty":0.5,"liquidity":"maker","queue_pos_est":12.5,'
        b'"quote_price":%.2f,"mid_at_quote":%.2f,"mid_now":%.2f,"spread_at_quote_bps":1.5,"latency_ms":12.25,'
        b'"slip_bps":0.0,"fee_bps":-0.5,"trade_id":"t%d","quote_id":"q%d"}\n'
        % (
            TS + n / FILLS_PER_S,
            n % SYMBOLS,
            b"buy" if n % 2 else b"sell",
            price,
            price,
            price + 0.01,
            price + 0.02,
            n,
            n,
        )
    )


def run_reader(directory: Path, jobs: int) -> int:
    from calib.engines import Workers
    from calib.feeds.reading.batches import read_batches
    from calib.feeds.reading.days import find_days

    used = 0
    with Workers(jobs) if jobs > 1 else contextlib.nullcontext() as engine:
        for file in find_days(directory):
            columns = FILL_COLUMNS if file.kind == "fills" else TICK_COLUMNS
            for batch in read_batches(file, columns, newest=True, engine=engine):
                used += batch.height
    return used


def run_orjson(directory: Path) -> int:
    import orjson

    used = 0
    for path in sorted(directory.glob("*.jsonl")):
        with path.open("rb") as handle:
            for line in handle:
                try:
                    used += isinstance(orjson.loads(line), dict)
                except orjson.JSONDecodeError:
                    continue
    return used


def one(engine: str, directory: Path) -> None:
    """Run one engine in this process and print its figures as JSON."""
    begin = time.perf_counter()
    jobs = int(engine[-1]) if engine.startswith("reader") else 1
    used = run_orjson(directory) if engine == "orjson" else run_reader(directory, jobs)
    wall = time.perf_counter() - begin
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    peak = (own.ru_maxrss + (children.ru_maxrss * jobs if jobs > 1 else 0)) / 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "used": used}))


def measure(directory: Path, repeats: int) -> None:
    files = [str(path) for path in sorted(directory.glob("*.jsonl"))]
    walls: list[float] = []
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in ("reader-1", "reader-2", "orjson")}
    for _ in range(repeats):
        begin = time.perf_counter()
        subprocess.run(["wc", "-l", *files], check=True, stdout=subprocess.DEVNULL)
        walls.append(time.perf_counter() - begin)
        for name, found in figures.items():
            command = [sys.executable, __file__, "--one", name, "--path", str(directory)]
            found.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    print(f"{'wc -l':<10} {statistics.median(walls):7.2f} s")
    for name, found in figures.items():
        wall, cpu, peak = (statistics.median(entry[key] for entry in found) for key in ("wall", "cpu", "peak"))
        print(f"{name:<10} {wall:7.2f} s  {cpu:7.2f} s CPU  {peak:6.0f} MiB  {found[0]['used']} lines used")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--bad", type=float, default=0.0, help="share of bad lines")
    parser.add_argument("--path", type=Path, help="where the feeds are, or are made where it is empty")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one, given.path)
        return
    with tempfile.TemporaryDirectory() as name:
        directory = given.path or Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        if not any(directory.iterdir()):
            make_feeds(directory, given.hours, given.bad)
        size = sum(path.stat().st_size for path in directory.iterdir())
        print(f"{size / 1e9:.2f} GB, {given.bad:.2%} of the lines bad, medians of {given.repeats}")
        measure(directory, given.repeats)


if __name__ == "__main__":
    main()
