"""Feed directories made for the tests of fits and markouts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

DAY = 1_735_689_600.0
"""2025-01-01T00:00:00Z."""


def write(directory: Path, kind: str, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write the lines into the files of their days."""
    directory.mkdir(parents=True, exist_ok=True)
    days: dict[str, list[str]] = {}
    for line in lines:
        day = datetime.fromtimestamp(line["ts"], UTC).strftime("%Y%m%d")
        days.setdefault(day, []).append(json.dumps(line))
    for day, texts in days.items():
        (directory / f"{kind}_{day}.jsonl").write_text("\n".join(texts) + "\n")


def quote(
    number: int, opened: float, closed: float, price: float, reason: str = "cancelled", **more: Any
) -> dict[str, Any]:
    """A line of the quotes feed; a buy of 1 unless told otherwise."""
    line = {
        "ts": closed,
        "quote_id": f"q{number}",
        "symbol": "X",
        "side": "buy",
        "price": price,
        "qty": 1.0,
        "ts_open": opened,
        "ts_close": closed,
        "close_reason": reason,
        "qty_filled": 1.0 if reason == "filled" else 0.0,
        "queue_ahead_open": 0.0,
        "mid_open": None,
    }
    return line | more


def fill(number: int, at: float, price: float, **more: Any) -> dict[str, Any]:
    """A line of the fills feed: a maker fill of quote ``number``."""
    line = {
        "ts": at,
        "symbol": "X",
        "side": "buy",
        "price": price,
        "qty": 1.0,
        "liquidity": "maker",
        "quote_id": f"q{number}",
        "trade_id": f"t{number}",
    }
    return line | more


def snapshot(at: float, mid: float, **more: Any) -> dict[str, Any]:
    """A book line: a whole book one unit around the mid."""
    line = {
        "ts": at,
        "ts_exchange": None,
        "symbol": "X",
        "type": "snapshot",
        "first_update_id": None,
        "update_id": None,
        "prev_update_id": None,
        "bids": [[mid - 0.01, 1.0]],
        "asks": [[mid + 0.01, 1.0]],
    }
    return line | more


def poisson_feeds(
    directory: Path,
    *,
    a: float = 0.5,
    k: float = 0.8,
    days: int = 1,
    quotes: int = 400,
    life_s: float = 3.0,
    seed: int = 1,
    symbol: str = "X",
    start: float = DAY,
    first: int = 0,
) -> None:
    """Quotes on both sides at distances of .3 to 5 bps, filled at A exp(-k delta) while a still mid stands."""
    random = np.random.default_rng(seed)
    books, lines, fills = [], [], []
    number = first
    for day in range(days):
        begin = start + 86_400 * day
        length = quotes * life_s / 2 + 10
        mid = 100.0
        for second in range(int(length) + 30):
            mid = round(mid + float(random.choice([-0.0001, 0.0, 0.0001])), 6)
            books.append(snapshot(begin + second, mid, symbol=symbol))
        mids = {
            int(book["ts"] - begin): (book["bids"][0][0] + book["asks"][0][0]) / 2
            for book in books[-int(length) - 30 :]
        }
        for place in range(quotes):
            side, sign = (("buy", 1.0), ("sell", -1.0))[place % 2]
            opened = begin + 5.25 + (place // 2) * life_s
            level = mids[int(opened - begin)]
            delta = float(random.uniform(0.3, 5.0))
            price = level * (1 - sign * delta * 1e-4)
            wait = float(random.exponential(1 / (a * np.exp(-k * delta))))
            filled = wait < life_s - 0.1
            closed = opened + (wait if filled else life_s - 0.1)
            number += 1
            reason = "filled" if filled else "replaced"
            lines.append(quote(number, opened, closed, price, reason, side=side, symbol=symbol))
            if filled:
                fills.append(fill(number, closed, price, side=side, symbol=symbol))
    write(directory, "book", books)
    write(directory, "quotes", lines)
    write(directory, "fills", fills)
