"""A replay of a real recording against orjson with a bare dict and bisect over the same lines; memory of a long one.

PYTHONPATH=. .venv/bin/python benchmarks/bench_replay.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from bisect import bisect_left, insort
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from calib.importers import collect, store
from calib.importers.formats.hftbacktest_collector import HftbacktestCollector
from calib.replay.run import run_replay
from calib.replay.settings import ReplaySettings

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "real_feeds" / "hftbacktest_collector"
ROUNDS = 15
LIMIT_MIB = 300


def imported(files: list[Path], directory: Path) -> Path:
    store(collect(HftbacktestCollector(), files), directory)
    return directory


def bare(feeds: Path) -> int:
    """Baseline: parse every line, trust every delta."""
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    bid_keys: list[float] = []
    ask_keys: list[float] = []
    levels = 0
    for path in sorted(feeds.glob("*.jsonl")):
        with path.open("rb") as handle:
            for line in handle:
                record = orjson.loads(line)
                if "bids" not in record:
                    continue
                for changes, side, keys in ((record["bids"], bids, bid_keys), (record["asks"], asks, ask_keys)):
                    levels += len(changes)
                    for price, qty in changes:
                        if qty:
                            if price not in side:
                                insort(keys, price)
                            side[price] = qty
                        elif price in side:
                            del side[price]
                            del keys[bisect_left(keys, price)]
    return levels


def timed(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def compare(feeds: Path) -> None:
    """Both alternately, so that disturbances affect both."""
    rows: dict[str, Callable[[], Any]] = {
        "orjson + dict + bisect": lambda: bare(feeds),
        "replay, callback": lambda: run_replay(feeds, ReplaySettings(fill="callback")),
        "replay, stream": lambda: run_replay(feeds, ReplaySettings()),
    }
    for run in rows.values():
        run()
    times = [{name: timed(run) for name, run in rows.items()} for _ in range(ROUNDS)]
    levels, outcome = bare(feeds), run_replay(feeds, ReplaySettings()).data
    events = sum(outcome["recording"]["lines"].values())
    reads = outcome["overall"]["reads"]
    print(f"{feeds.name}: {events:,} lines, {levels:,} levels, {reads:,} reads; medians of {ROUNDS}")
    for name in rows:
        took = median(row[name] for row in times)
        ratio = median(row[name] / row["orjson + dict + bisect"] for row in times)
        print(
            f"  {name:<24}{took:7.3f} s {ratio:6.2f}x {levels / took:12,.0f} levels/s"
            f" {events / took:10,.0f} lines/s {reads / took:9,.0f} reads/s"
        )


def memory(feeds: Path) -> None:
    """The whole recording in a separate process, with a read every second."""
    code = (
        "import sys, resource, time; from calib.replay.run import run_replay;"
        "from calib.replay.settings import ReplaySettings; t = time.perf_counter();"
        "d = run_replay(sys.argv[1], ReplaySettings(read_every_us=int(sys.argv[2]))).data;"
        "print(time.perf_counter() - t, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,"
        "d['overall']['reads'], sum(d['recording']['lines'].values()))"
    )
    argv = [sys.executable, "-c", code, str(feeds), "1000000"]
    took, mib, reads, lines = map(
        float, subprocess.run(argv, capture_output=True, check=True, text=True).stdout.split()
    )
    print(
        f"{feeds.name}: {lines:,.0f} lines, {reads:,.0f} reads in {took:.1f} s, peak {mib:.0f} MiB (limit {LIMIT_MIB})"
    )


def main() -> None:
    if not RECORDINGS.is_dir():
        print("the real recordings are not beside this checkout (../shared/real_feeds)")
        return
    with tempfile.TemporaryDirectory() as directory:
        compare(imported([RECORDINGS / "usdm" / "btcusdt_20240808.gz"], Path(directory) / "btc"))
        memory(imported(sorted((RECORDINGS / "spot").glob("nexousdt_*")), Path(directory) / "nexo"))


if __name__ == "__main__":
    main()
