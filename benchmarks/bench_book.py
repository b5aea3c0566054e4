"""The order book against a bare dict with a sorted list: one delta, a read, a whole recorded-like stream.

PYTHONPATH=. .venv/bin/python benchmarks/bench_book.py
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Callable
from itertools import islice
from typing import Any

from benchmarks.timing import interleaved, table
from calib.clock import NS_PER_MS
from calib.market import BookStream, Connection, Delta, OrderBook, Snapshot, StreamSettings

LEVELS = 1_000


class Bare:
    """Baseline: a simple book in ten lines that trusts every message."""

    def __init__(self) -> None:
        self.sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
        self.keys: tuple[list[float], list[float]] = ([], [])

    def delta(self, bids: Any, asks: Any, update_id: int | None = None) -> None:
        side, keys = self.sides[0], self.keys[0]
        for price, qty in bids:
            if qty:
                if price not in side:
                    insort(keys, price)
                side[price] = qty
            elif price in side:
                del side[price]
                del keys[bisect_left(keys, price)]
        side, keys = self.sides[1], self.keys[1]
        for price, qty in asks:
            if qty:
                if price not in side:
                    insort(keys, price)
                side[price] = qty
            elif price in side:
                del side[price]
                del keys[bisect_left(keys, price)]


class BareTexts(Bare):
    """The same for venues that send text, like most venues."""

    def delta(self, bids: Any, asks: Any, update_id: int | None = None) -> None:
        super().delta(
            [(float(price), float(qty)) for price, qty in bids], [(float(price), float(qty)) for price, qty in asks]
        )


def level(is_bid: bool, offset: int) -> float:
    return round(100 - offset * 0.01, 2) if is_bid else round(100.01 + offset * 0.01, 2)


def events(count: int, texts: bool) -> list[tuple[Any, Any]]:
    """One level each, near the touch mostly; three in ten remove it."""
    draw = random.Random(1)
    found: list[tuple[Any, Any]] = []
    for _ in range(count):
        is_bid = draw.random() < 0.5
        price = level(is_bid, min(LEVELS - 1, int(draw.expovariate(1 / 20))))
        qty = 0.0 if draw.random() < 0.3 else float(draw.randint(1, 9))
        change = ((f"{price:.2f}", f"{qty:.3f}"),) if texts else ((price, qty),)
        found.append((change, ()) if is_bid else ((), change))
    return found


def filled(book: Any) -> Any:
    book.delta([(level(True, n), 1.0) for n in range(LEVELS)], [(level(False, n), 1.0) for n in range(LEVELS)], 0)
    return book


def deltas(book: Any, stream: list[tuple[Any, Any]]) -> Callable[[int], None]:
    def run(count: int) -> None:
        delta = book.delta
        for bids, asks in islice(stream, count):
            delta(bids, asks, 1)

    return run


def through_stream(changes: list[tuple[Any, Any]]) -> Callable[[int], None]:
    """The same deltas through the stream: ids, silence, crossing; bids and asks never cross here."""
    stream = BookStream(
        "X",
        Connection("x", silence_ns=300 * NS_PER_MS),
        random=lambda: 0.0,
        settings=StreamSettings(snapshots="stream"),
    )
    stream.connect(0)
    full = filled(OrderBook("X")).view(LEVELS)
    state = {"id": 0}
    stream.on_snapshot(Snapshot(full.bids, full.asks, 0), 0)

    def run(count: int) -> None:
        update_id = state["id"]
        for bids, asks in islice(changes, count):
            update_id += 1
            stream.on_delta(Delta(bids, asks, update_id), update_id)
        state["id"] = update_id
        assert stream.live

    return run


def reads(book: OrderBook, depth: int, *, changing: bool) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in range(count):
            if changing:
                book._views = {}
            book.view(depth)

    return run


def main() -> None:
    count = 20_000
    floats, texts = events(count, texts=False), events(count, texts=True)
    print(
        table(
            f"one delta on a book of {LEVELS} levels a side, floats",
            interleaved(
                {
                    "dict + bisect, bare": deltas(filled(Bare()), floats),
                    "OrderBook.delta": deltas(filled(OrderBook("X")), floats),
                    "BookStream.on_delta": through_stream(floats),
                },
                count,
            ),
            "dict + bisect, bare",
        )
    )
    print(
        table(
            "the same, texts as venues send them",
            interleaved(
                {
                    "dict + bisect, bare": deltas(filled(BareTexts()), texts),
                    "OrderBook.delta": deltas(filled(OrderBook("X")), texts),
                    "BookStream.on_delta": through_stream(texts),
                },
                count,
            ),
            "dict + bisect, bare",
        )
    )
    book = filled(OrderBook("X"))
    print(
        table(
            "view of the book",
            interleaved(
                {
                    "depth 10, unchanged": reads(book, 10, changing=False),
                    "depth 50, unchanged": reads(book, 50, changing=False),
                    "depth 10, after a change": reads(book, 10, changing=True),
                    "depth 50, after a change": reads(book, 50, changing=True),
                },
                count,
            ),
            "depth 10, unchanged",
        )
    )


if __name__ == "__main__":
    main()
