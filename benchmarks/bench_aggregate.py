"""The whole of ``calib aggregate`` on a day of 50 symbols: wall and CPU seconds, peak memory with all its processes.

    python -m benchmarks.bench_aggregate --hours 24     # 1.9 GB: the size of the goals
    python -m benchmarks.bench_aggregate                # two hours

Its peers run in turns with it: scripts for DuckDB and polars' streaming engine that sum alike and check nothing
(`benchmarks.aggregate_peers`), and a loop of bare `orjson.loads` over the lines. ``calib, Python`` is `calib aggregate`
with ``CALIB_NATIVE=0``. Ratios are to DuckDB, medians of the ratios of each turn: a busy machine slows both.

The peak is the largest sum of the resident sets of all processes, sampled: pages that they share count more than once,
so it is an upper bound.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench_reading import make_feeds


def _resident_mb(pid: int) -> float:
    """Resident set of a process and its children, MB."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6 + sum(_resident_mb(int(child)) for child in children)


def measure(command: list[str], native: str = "1") -> tuple[float, float, float]:
    """Wall s, CPU s, peak MB of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    peak = 0.0
    environment = os.environ | {"CALIB_NATIVE": native}
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, env=environment) as process:
        while process.poll() is None:
            peak = max(peak, _resident_mb(process.pid))
            time.sleep(0.02)
    wall = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--bad", type=float, default=0.0, help="share of bad lines")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--feeds", type=Path, help="feeds that are there already")
    parser.add_argument("--only", nargs="*", help="some of: duckdb, calib aggregate, polars streaming, ...")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        feeds = given.feeds or Path(name) / "feeds"
        if given.feeds is None:
            feeds.mkdir()
            make_feeds(feeds, given.hours, given.bad)
        size = sum(path.stat().st_size for path in feeds.iterdir())
        print(
            f"{size / 1e9:.2f} GB of feeds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the first run"
        )
        aggregate = ["-m", "calib", "aggregate", "--feeds", str(feeds), "--quiet", "--out", f"{name}/out"]
        peer = ["-m", "benchmarks.aggregate_peers"]
        commands = {
            "duckdb": [*peer, "duckdb", str(feeds), f"{name}/duckdb"],
            "calib aggregate": aggregate,
            "polars streaming": [*peer, "polars", str(feeds), f"{name}/polars"],
            "calib, no cache": [*aggregate, "--no-cache"],
            "calib, Python": aggregate,
            "orjson loop": ["-m", "benchmarks.bench_reading", "--one", "orjson", "--path", str(feeds)],
        }
        if given.only:
            commands = {what: command for what, command in commands.items() if what in given.only}
        turns = [_turn(commands, Path(name) / "out") for _ in range(given.repeats)]
        for what in commands:
            wall, cpu, peak = (
                statistics.median(column) for column in zip(*(turn[what] for turn in turns), strict=True)
            )
            walls = ", ".join(f"{turn[what][0]:.1f}" for turn in turns)
            ratio = "".join(
                f"  {statistics.median(turn[what][n] / turn['duckdb'][n] for turn in turns):5.2f} x {unit}"
                for n, unit in enumerate(("wall", "CPU"))
                if "duckdb" in commands
            )
            print(f"{what:<16} {wall:6.2f} s  {cpu:6.2f} s CPU  {peak:5.0f} MB{ratio}   (medians of {walls} s)")


def _turn(commands: dict[str, list[str]], out: Path) -> dict[str, tuple[float, float, float]]:
    """Each command once, one after the other; none finds what another one kept in ``out``."""
    found = {}
    for what, command in commands.items():
        shutil.rmtree(out, ignore_errors=True)
        found[what] = measure(command, native="0" if what == "calib, Python" else "1")
    return found


if __name__ == "__main__":
    main()
