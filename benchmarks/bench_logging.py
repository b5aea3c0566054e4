"""Cost of logging for the trading thread: fills and ticks, against json + lock and the standard library's queue.

Run: ``PYTHONPATH=. python benchmarks/bench_logging.py``. Each record is written to a file by the end of its round; the
figure is the time the calling thread spends in the call, while the writer thread works.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.timing import interleaved, table
from calib import BookLogger, FillLogger, PipelineTickLogger

COUNT = 20_000
FILL: dict[str, Any] = {
    "ts": 1735689600.25, "symbol": "BTCUSDT", "side": "buy", "price": 94000.5, "qty": 0.01, "liquidity": "maker",
    "queue_pos_est": 1.25, "quote_price": 94000.5, "mid_at_quote": 94001.0, "mid_now": 94001.5,
    "spread_at_quote_bps": 0.2, "latency_ms": 3.5, "slip_bps": 0.0, "fee_bps": -0.5, "trade_id": "1234567",
    "order_id": "a-1234567", "quote_id": "q-1234567", "ts_quote": 1735689599.75,
}  # fmt: skip
TICK: dict[str, Any] = {
    "ts": 1735689600.25, "symbol": "BTCUSDT",
    "stage_latencies": {"fetch_md": 0.4, "features": 0.2, "strategy": 0.9, "risk": 0.1, "quote": 1.8},
    "stage_p95_ms": {"fetch_md": 0.9, "features": 0.4, "strategy": 1.9, "risk": 0.3, "quote": 3.1},
    "tick_total_ms": 3.4, "cache_hit": True, "deadline_miss": False, "cache_age_ms": 12.5, "used_stale": False,
    "n_quotes": 2, "bid": 94000.5, "ask": 94001.5, "mid": 94001.0, "update_id": 123456789, "depth": 50,
    "use_case": "pricing", "source": "stream", "status": "fresh", "ws_gap_ms": 8.0,
}  # fmt: skip
FEW_FIELDS = ("ts", "symbol", "side", "price", "qty", "liquidity", "trade_id")
LEVELS = [[94000.5 - n, 0.5] for n in range(20)]
BOOK: dict[str, Any] = {
    "ts": 1735689600.25, "symbol": "BTCUSDT", "type": "snapshot", "update_id": 1, "bids": LEVELS,
    "asks": [[94001.5 + n, 0.5] for n in range(20)],
}  # fmt: skip


def moving(record: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    """A fresh record for each call, with a time one millisecond later, like in a bot."""
    return lambda number: {**record, "ts": 1735689600.25 + number * 0.001}


def main() -> None:
    with tempfile.TemporaryDirectory() as where:
        bench(Path(where))


def bench(where: Path) -> None:
    fill, tick, book = moving(FILL), moving(TICK), moving(BOOK)
    fills = FillLogger(where / "fills")
    ticks = PipelineTickLogger(where / "ticks", sample_rate=1)
    sampled = PipelineTickLogger(where / "sampled", sample_rate=10)
    books = BookLogger(where / "book")
    direct = FillLogger(where / "direct", background=False, fsync="never")
    runs = {
        "building the record, nothing else": lambda count: [fill(n) for n in range(count)] and None,
        "FillLogger": _rounds(fill, fills.log, fills.flush),
        "PipelineTickLogger, every tick": _rounds(tick, ticks.log, ticks.flush),
        "PipelineTickLogger, 1 in 10": _rounds(tick, sampled.log, sampled.flush),
        "BookLogger, 20 x 20 levels": _rounds(book, books.log, books.flush),
        "FillLogger, background=False": _rounds(fill, direct.log, direct.flush),
        "peer: json.dumps + lock + write, a fill, unchecked": _json_peer(where, fill),
        "peer: logging QueueHandler + json, a fill, unchecked": _logging_peer(where, fill),
    }
    figures = interleaved(runs, COUNT)
    print(table("calling thread, per record", figures, "FillLogger"))
    print("\nthe same without the building of the record:")
    base = figures.pop("building the record, nothing else")
    for name, value in figures.items():
        print(f"  {name:<52} {(value - base) / 1000:6.2f} us")
    print("\nbytes of a line:")
    for name, size in bytes_a_line(where).items():
        print(f"  {name:<52} {size}")
    print(f"\nworst single call of 200,000 fills: {_worst(where, fill):.2f} ms")
    for logger in (fills, ticks, sampled, books, direct):
        logger.close()


def bytes_a_line(where: Path) -> dict[str, int]:
    """What one line takes on disk, with its end: whole, and with ``compact=True``."""
    found: dict[str, int] = {}
    makers: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "fill": (FillLogger, FILL),
        "tick": (PipelineTickLogger, TICK),
        "tick without stage maps": (PipelineTickLogger, {k: v for k, v in TICK.items() if not k.startswith("stage_")}),
        "fill, required fields and trade_id": (FillLogger, {name: FILL[name] for name in FEW_FIELDS}),
    }
    for name, (logger, record) in makers.items():
        for compact in (False, True):
            directory = where / f"{name} {compact}"
            options: dict[str, Any] = {"sample_rate": 1} if logger is PipelineTickLogger else {}
            with logger(directory, compact=compact, **options) as log:
                log.log(record)
            (file,) = directory.glob("*.jsonl")
            found[f"{name}{', compact' if compact else ''}"] = file.stat().st_size
    return found


def _rounds(make: Callable[[int], dict[str, Any]], log: Callable[[Any], object], flush: Callable[[], None]) -> Any:
    def run(count: int) -> None:
        for number in range(count):
            log(make(number))

    return run


def _json_peer(where: Path, make: Callable[[int], dict[str, Any]]) -> Any:
    handle = (where / "json.jsonl").open("a", encoding="utf-8")
    lock = threading.Lock()

    def run(count: int) -> None:
        for number in range(count):
            text = json.dumps(make(number)) + "\n"
            with lock:
                handle.write(text)
        handle.flush()

    return run


def _logging_peer(where: Path, make: Callable[[int], dict[str, Any]]) -> Any:
    lines: queue.SimpleQueue[Any] = queue.SimpleQueue()
    file = logging.FileHandler(where / "logging.jsonl")
    file.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("bench")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.handlers.QueueHandler(lines))
    listener = logging.handlers.QueueListener(lines, file)
    listener.start()

    def run(count: int) -> None:
        for number in range(count):
            logger.info(json.dumps(make(number)))

    return run


def _worst(where: Path, make: Callable[[int], dict[str, Any]]) -> float:
    worst = 0
    with FillLogger(where / "worst") as fills:
        for number in range(200_000):
            record = make(number)
            begin = time.perf_counter_ns()
            fills.log(record)
            worst = max(worst, time.perf_counter_ns() - begin)
    return worst / 1e6


if __name__ == "__main__":
    main()
