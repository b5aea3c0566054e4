"""Small recordings, written line by line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from calib import MDCacheConfig

STREAMED = MDCacheConfig(refresh_source="stream")
"""A callback that hands out a streaming book: what it brings may be served later to pricing."""
START = 1_735_689_600
"""2025-01-01T00:00:00Z; times of the helpers are seconds after it."""

Levels = Iterable[tuple[float, float]]


def snapshot(at: float, update_id: int | None, bids: Levels, asks: Levels, symbol: str = "X", **more: Any) -> Any:
    return _book(at, symbol, "snapshot", bids, asks, update_id=update_id, **more)


def delta(
    at: float, update_id: int | None, bids: Levels = (), asks: Levels = (), symbol: str = "X", **more: Any
) -> Any:
    """A delta of Binance spot's kind: it covers one id, unless ``first_update_id`` says otherwise."""
    return _book(at, symbol, "delta", bids, asks, **{"first_update_id": update_id, "update_id": update_id} | more)


def tick(at: float, use_case: str | None = "pricing", symbol: str = "X", **more: Any) -> Any:
    base = {"ts": START + at, "symbol": symbol, "tick_total_ms": 40.0, "cache_hit": False, "deadline_miss": False}
    return base | {"use_case": use_case} | more


def fill(at: float, symbol: str = "X", **more: Any) -> Any:
    base = {"ts": START + at, "symbol": symbol, "side": "buy", "price": 100.0, "qty": 1.0, "liquidity": "maker"}
    return base | more


def trade(at: float, symbol: str = "X") -> Any:
    return {"ts": START + at, "symbol": symbol, "price": 100.0, "qty": 1.0, "side": "buy"}


def write(directory: Path, **feeds: Iterable[Mapping[str, Any]]) -> Path:
    """Write the lines of each kind into one day file, in the order given."""
    directory.mkdir(parents=True, exist_ok=True)
    for kind, lines in feeds.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (directory / f"{kind}_20250101.jsonl").write_text(text)
    return directory


def _book(at: float, symbol: str, kind: str, bids: Levels, asks: Levels, **more: Any) -> Any:
    levels = {"bids": [list(level) for level in bids], "asks": [list(level) for level in asks]}
    return {"ts": START + at, "symbol": symbol, "type": kind, **levels} | more
