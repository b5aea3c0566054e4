"""``calib aggregate`` over a month again: first run, rerun, rerun without finished days, after a day has grown.

    python -m benchmarks.bench_finished_days                        # 30 days of 50 symbols, 2.5 ticks a second: 3.3 GB
    python -m benchmarks.bench_finished_days --days 1 --rate 50     # one day of 2 GB

Wall and CPU seconds are of the whole command with its workers, start-up included. What start-up takes is measured in
turns with it: the same command over a feed of one line.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench_aggregate import measure
from benchmarks.bench_reading import FILLS_PER_S, TICKS_PER_S, TS, _fill, _tick

DAY_S = 86_400


def lines(kind: str, day: int, rate: float, begin_s: float, end_s: float) -> Iterator[bytes]:
    """The lines of a part of a day, ``rate`` of them a second."""
    make = _tick if kind == "pipeline_ticks" else _fill
    for n in range(int(begin_s * rate), int(end_s * rate)):
        _, comma, rest = make(n).partition(b",")
        yield b'{"ts":%.6f' % (TS + day * DAY_S + n / rate) + comma + rest


def write(feeds: Path, day: int, rate: float, begin_s: float = 0, end_s: float = DAY_S) -> None:
    """Append a part of a day to its two files; fills come as often to a tick as in `bench_reading`."""
    stamp = datetime.fromtimestamp(TS + day * DAY_S, UTC).strftime("%Y%m%d")
    for kind, share in (("pipeline_ticks", 1.0), ("fills", FILLS_PER_S / TICKS_PER_S)):
        with (feeds / f"{kind}_{stamp}.jsonl").open("ab", buffering=1 << 20) as handle:
            handle.writelines(lines(kind, day, rate * share, begin_s, end_s))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rate", type=float, default=2.5, help="ticks a second, of all symbols together")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--format", default="parquet", help="format of the dataset")
    parser.add_argument("--root", type=Path, help="where the feeds are made and left, and used where they are there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = given.root or Path(name)
        feeds, one, out = root / "feeds", root / "one", root / "out"
        if not feeds.exists():
            feeds.mkdir(parents=True)
            for day in range(given.days):
                # The newest day is still being written: one minute is missing.
                write(feeds, day, given.rate, end_s=DAY_S if day < given.days - 1 else DAY_S - 60)
        shutil.rmtree(out, ignore_errors=True)
        one.mkdir(exist_ok=True)
        (one / "pipeline_ticks_20250101.jsonl").write_bytes(_tick(0))
        sizes = [path.stat().st_size for path in feeds.iterdir()]
        print(f"{len(sizes)} files, {sum(sizes) / 1e9:.2f} GB, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        command = ["-m", "calib", "aggregate", "--quiet", "--format", given.format, "--out", str(out)]
        month = [*command, "--feeds", str(feeds)]

        def show(what: str, *commands: list[str]) -> None:
            turns = [[measure(each) for each in commands] for _ in range(given.repeats if len(commands) > 1 else 1)]
            for title, column in zip(what.split("|"), zip(*turns, strict=True), strict=True):
                walls = ", ".join(f"{turn[0]:.2f}" for turn in column)
                wall, cpu, peak = (statistics.median(figure) for figure in zip(*column, strict=True))
                print(f"{title:<34} {wall:6.2f} s  {cpu:6.2f} s CPU  {peak:5.0f} MB   ({walls})", flush=True)

        show("first run", month)
        tiny = [*command[:-1], str(root / "tiny"), "--no-filter", "low_ticks,ws_gap", "--feeds", str(one)]
        show("start-up: a feed of one line|rerun|rerun --verify", tiny, month, [*month, "--verify"])
        show("without: --no-cache", [*month, "--no-cache"])
        write(feeds, given.days - 1, given.rate, DAY_S - 60, DAY_S)
        show("a minute more of the newest day", month)
        entries = [path.stat().st_size for path in (out / ".calib-cache").iterdir()]
        rows = json.dumps({"entries": len(entries), "MB": round(sum(entries) / 1e6, 1)})
        print(f".calib-cache: {rows}")


if __name__ == "__main__":
    main()
