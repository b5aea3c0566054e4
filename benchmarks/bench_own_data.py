"""`calib reconcile` and `calib enrich` of a desk's own fills in several sizes: does their memory grow?

    python -m benchmarks.bench_own_data --fills 2000000

Each command runs in a process of its own; the peak is that process's resident set, start-up included, and the CPU time
is set against a loop that decodes each line of the log with orjson and keeps nothing. The venue's file is one JSON
document whose rows stand at ``result.list``, as Bybit answers. The book changes four times a second.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

T = 1_735_689_600
DAY_S = 86_000
LOGGED = "fills_20250101.jsonl"
MAPS = (
    "ts=ms:ms", "symbol=symbol", "side=side", "price=price:number", "qty=qty:number", "trade_id=id", "liquidity=role",
)  # fmt: skip


def make_log(feeds: Path, fills: int) -> None:
    """Fills of one symbol spread over a day, as an import leaves them; one of 1,000 was lost."""
    feeds.mkdir()
    with (feeds / LOGGED).open("w") as handle:
        for number in range(fills):
            if number % 1000:
                handle.write(_log_line(number, fills))


def _moment(number: int, fills: int) -> float:
    return round(T + 1 + number * (DAY_S - 2) / fills, 3)


def _log_line(number: int, fills: int) -> str:
    ts = _moment(number, fills)
    return (
        f'{{"ts":{ts},"ts_iso":null,"symbol":"BTCUSDT","side":"buy","price":100.5,"qty":0.01,"liquidity":"maker",'
        f'"queue_pos_est":null,"quote_price":null,"mid_at_quote":null,"mid_now":null,"spread_at_quote_bps":null,'
        f'"latency_ms":null,"slip_bps":null,"trade_id":"{number}","order_id":"o{number}","ts_exchange":{ts}}}\n'
    )


def make_venue(path: Path, fills: int) -> None:
    """All of them, inside one document."""
    with path.open("w") as handle:
        handle.write('{"code": 0, "result": {"list": [')
        for number in range(fills):
            row = {
                "ms": round(_moment(number, fills) * 1000), "symbol": "BTCUSDT", "side": "buy", "price": "100.5",
                "qty": "0.01", "id": str(number), "role": "maker",
            }  # fmt: skip
            handle.write((", " if number else "") + json.dumps(row))
        handle.write("]}}\n")


def make_book(feeds: Path) -> None:
    """A whole book of one level a quarter of a second, its mid one of three."""
    with (feeds / "book_20250101.jsonl").open("w") as handle:
        for number in range(4 * DAY_S):
            ts, bid = T + number / 4, 100 + number % 3
            handle.write(
                f'{{"ts":{ts},"ts_exchange":{ts},"symbol":"BTCUSDT","type":"snapshot","first_update_id":null,'
                f'"update_id":{number},"prev_update_id":null,"bids":[[{bid},1]],"asks":[[{bid + 1},1]]}}\n'
            )


def one(what: str, directory: Path) -> None:
    """Do it in this process and print its figures as JSON."""
    begin = time.process_time()
    feeds = directory / "feeds"
    if what == "orjson":
        import orjson

        with (feeds / LOGGED).open("rb") as handle:
            for line in handle:
                orjson.loads(line)
    else:
        from calib.cli.main import run

        words = [word for text in MAPS for word in ("--map", text)]
        against = ["--against", str(directory / "venue.json"), "--path", "result.list", *words, "--tolerance", "1"]
        assert run([what, "--feeds", str(feeds), "--quiet", *(against if what == "reconcile" else ())]) == 0
    cpu = time.process_time() - begin
    print("\n" + json.dumps({"cpu": cpu, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def _measured(what: str, directory: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", what, "--directory", str(directory)]
    printed = subprocess.run(command, check=True, capture_output=True).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def measure(fills: int) -> None:
    for size in (fills // 16, fills // 4, fills):
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            make_log(directory / "feeds", size)
            make_venue(directory / "venue.json", size)
            make_book(directory / "feeds")
            floor = _measured("orjson", directory)
            log = (directory / "feeds" / LOGGED).stat().st_size / 1e6
            venue = (directory / "venue.json").stat().st_size / 1e6
            for what in ("reconcile", "enrich"):
                found = _measured(what, directory)
                share = found["cpu"] / floor["cpu"]
                print(
                    f"{what:<10} {size:>9,} fills, log {log:6.1f} MB, venue {venue:6.1f} MB  "
                    f"peak {found['peak']:6.1f} MiB  CPU {found['cpu']:6.1f} s, {share:5.1f} x orjson"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fills", type=int, default=2_000_000, help="of the largest size")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.one, given.directory)
    else:
        measure(given.fills)


if __name__ == "__main__":
    main()
