"""Where the kernel ends and Python begins: start-up, bad lines, and records of a book, in CPU time.

    python -m benchmarks.bench_kernel                # four hours of 50 symbols, 0.3 GB each

- ``calib aggregate sample_feeds`` in processes of their own, start-up included, with the kernel and without it.
- The sums of a day with 1 % of bad lines, which Python judges one by one, against a day without any, in this process.
- A book feed record by record, as `calib replay` reads it, against what it would take if the kernel checked or read the
  lines: a decoder without checks, and the same records made of packed numbers that are there already.

Everything runs in turns; medians, and medians of the ratios of each turn, because other programs slow both.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from array import array
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.bench_aggregate import measure
from benchmarks.bench_reading import make_feeds

SAMPLES = Path(__file__).resolve().parents[1] / "sample_feeds"


def in_turns(runs: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each run, by turn; the first turn does not count."""
    turns = [{name: run() for name, run in runs.items()} for _ in range(repeats + 1)][1:]
    return {name: [turn[name] for turn in turns] for name in runs}


def ratio(found: Mapping[str, list[float]], name: str, peer: str) -> float:
    """Median of the ratios of each turn."""
    return statistics.median(one / other for one, other in zip(found[name], found[peer], strict=True))


def start_up(repeats: int) -> None:
    def run(native: str) -> float:
        with tempfile.TemporaryDirectory() as out, contextlib.chdir(out):
            return measure(["-m", "calib", "aggregate", str(SAMPLES), "--out", out, "--quiet"], native)[1]

    found = in_turns({"with": lambda: run("1"), "without": lambda: run("0")}, repeats)
    seconds = ", ".join(f"{name} {statistics.median(values):.2f} s" for name, values in found.items())
    print(f"aggregate sample_feeds, the kernel: {seconds}, ratio {ratio(found, 'with', 'without'):.2f}")


def bad_lines(hours: float, repeats: int) -> None:
    from calib.dataset.assembly import DatasetOptions
    from calib.dataset.lean_build import build_lean
    from calib.dataset.plan import plan_dataset

    def run(feeds: Path) -> float:
        plan = plan_dataset(feeds, start=None, end=None, interval_sec=300)
        begin = time.process_time()
        build_lean(
            plan,
            DatasetOptions(max_reject_ratio=1.0),
            out=feeds.parent / "out",
            jobs=1,
            note=lambda _: None,
            progress=lambda _: None,
        )
        return time.process_time() - begin

    with tempfile.TemporaryDirectory() as name:
        days = {"none": Path(name) / "none", "1 %": Path(name) / "some"}
        for feeds, share in zip(days.values(), (0.0, 0.01), strict=True):
            feeds.mkdir()
            make_feeds(feeds, hours, share)
        found = in_turns({what: partial(run, feeds) for what, feeds in days.items()}, repeats)
    seconds = ", ".join(f"{what} {statistics.median(values):.3f} s" for what, values in found.items())
    print(f"sums, bad lines: {seconds}, ratio {ratio(found, '1 %', 'none'):.2f}")


class _Unchecked(msgspec.Struct):
    """A book record without the rules of the table."""

    ts: float
    symbol: str
    type: str
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    ts_exchange: float | None = None
    first_update_id: int | None = None
    update_id: int | None = None
    prev_update_id: int | None = None
    origin: str | None = None


def book_records(repeats: int) -> None:
    from calib.feeds.reading.days import find_days
    from calib.feeds.reading.native import library
    from calib.feeds.reading.native.packer import NativeDecoder, new_room
    from calib.feeds.reading.packing import ColumnPlan
    from calib.feeds.reading.record_reading import read_records
    from calib.feeds.schema.types import learned_type

    (file,) = find_days(SAMPLES, ["book"])
    data = (SAMPLES / file.name).read_bytes()
    lines = data.splitlines()
    checked = msgspec.json.Decoder(learned_type("book", file.first_ts, [])).decode
    unchecked = msgspec.json.Decoder(_Unchecked).decode
    records = [unchecked(line) for line in lines]
    numbers = array("d", (number for row in records for level in (*row.bids, *row.asks) for number in level))
    rest = [(msgspec.structs.astuple(row), len(row.bids), len(row.asks)) for row in records]

    def from_numbers() -> list[Any]:
        flat = iter(numbers)
        levels = list(zip(flat, flat, strict=True))
        made, at = [], 0
        for (ts, symbol, kind, _, _, *others), bids, asks in rest:
            middle, at_next = at + bids, at + bids + asks
            made.append(_Unchecked(ts, symbol, kind, levels[at:middle], levels[middle:at_next], *others))
            at = at_next
        return made

    runs: dict[str, Callable[[], Any]] = {
        "read, checked, as replay does": lambda: list(read_records(file, newest=True).blocks()),
        "decoding alone, checked": lambda: list(map(checked, lines)),
        "decoding alone, unchecked": lambda: list(map(unchecked, lines)),
        "records from packed numbers": from_numbers,
    }
    if (kernel := library()) is not None:
        decoder, room = NativeDecoder(kernel, ColumnPlan("book", file.first_ts, ("ts", "symbol"))), new_room(kernel)
        runs["kernel, which makes no records"] = lambda: decoder.parse(room, data, len(data))

    def timed(run: Callable[[], Any]) -> float:
        begin = time.process_time()
        run()
        return (time.process_time() - begin) / len(lines) * 1e6

    found = in_turns({name: partial(timed, run) for name, run in runs.items()}, 5 * repeats)
    for name, values in found.items():
        print(f"book, {name}: {statistics.median(values):.2f} us a line (least {min(values):.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the first run")
    start_up(given.repeats)
    bad_lines(given.hours, given.repeats)
    book_records(given.repeats)


if __name__ == "__main__":
    main()
