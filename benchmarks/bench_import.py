"""`calib import` of a synthetic collector file in several sizes, to check that its memory does not grow.

    python -m benchmarks.bench_import --buffer-mb 8

Each import runs in a separate process; the peak is its resident set including startup, and the CPU time is compared
with a loop that decodes each line of the same file with orjson and stores nothing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LINES = 40_000
SIZES = (1, 4, 16)
ORDERS = ("in order", "shuffled")


def make_recording(path: Path, lines: int, order: str) -> None:
    """Seeded deltas of 8 levels a side and, every third line, a trade; ``shuffled`` draws each time over an hour."""
    dice = random.Random(7)
    us = 1_735_689_600_000_000
    with gzip.open(path, "wb", compresslevel=1) as handle:
        for number in range(1, lines + 1):
            us += dice.randrange(1, 400)
            at = us if order == "in order" else 1_735_689_600_000_000 + dice.randrange(3_600_000_000)
            handle.write(b"%d000 %s\n" % (at, _trade(number) if number % 3 == 0 else _delta(number, dice)))


def _delta(number: int, dice: random.Random) -> bytes:
    sides = [
        b",".join(b'["%.2f","%.3f"]' % (60_000 + sign * dice.random() * 50, dice.random() * 5) for _ in range(8))
        for sign in (-1, 1)
    ]
    bids, asks = sides
    return b'{"e":"depthUpdate","T":1735689600000,"s":"BTCUSDT","U":%d,"u":%d,"b":[%s],"a":[%s]}' % (
        number, number, bids, asks,
    )  # fmt: skip


def _trade(number: int) -> bytes:
    return b'{"e":"trade","T":1735689600000,"s":"BTCUSDT","t":%d,"p":"60000.5","q":"0.01","m":true}' % number


def one(what: str, path: Path, out: Path) -> None:
    """Run the import in this process and print its figures as JSON."""
    begin = time.process_time()
    if what == "orjson":
        import orjson

        with gzip.open(path, "rb") as handle:
            for line in handle:
                orjson.loads(line.partition(b" ")[2])
    else:
        from calib.cli.main import run

        assert run(["import", "hftbacktest-collector", str(path), "--out", str(out), "--quiet"]) == 0
    cpu = time.process_time() - begin
    print(json.dumps({"cpu": cpu, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def _measured(what: str, path: Path, out: Path, buffer_mb: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", what, "--path", str(path), "--out", str(out)]
    environment = {**os.environ, "CALIB_IMPORT_BUFFER_MB": str(buffer_mb)}
    found: dict[str, float] = json.loads(
        subprocess.run(command, check=True, capture_output=True, env=environment).stdout
    )
    return found


def measure(buffer_mb: int, lines: int) -> None:
    print(f"import.buffer_mb={buffer_mb}")
    for order in ORDERS:
        for size in SIZES:
            with tempfile.TemporaryDirectory() as name:
                path, out = Path(name) / "btcusdt_20250101.gz", Path(name) / "feeds"
                make_recording(path, lines * size, order)
                floor, first = (_measured(what, path, out, buffer_mb) for what in ("orjson", "import"))
                again = _measured("import", path, out, buffer_mb)
                feeds = sum(day.stat().st_size for day in out.glob("*.jsonl"))
            print(
                f"{order:<9} {size:>3}x  {lines * size:>9,} lines, feeds {feeds / 1e6:7.1f} MB  "
                f"peak {first['peak']:6.1f} MiB, again over the same days {again['peak']:6.1f} MiB  "
                f"CPU {first['cpu']:6.2f} s, {first['cpu'] / floor['cpu']:5.2f} x orjson"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--buffer-mb", type=int, default=8)
    parser.add_argument("--lines", type=int, default=LINES, help="of the smallest size")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one, given.path, given.out)
    else:
        measure(given.buffer_mb, given.lines)


if __name__ == "__main__":
    main()
