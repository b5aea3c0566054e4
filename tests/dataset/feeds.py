"""Small feed directories for tests of the whole job."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DAY_0 = 1_735_689_600
"""2025-01-01T00:00:00Z"""


def tick(ts: float, symbol: str = "BTCUSDT", **more: Any) -> dict[str, Any]:
    base = {"ts": ts, "symbol": symbol, "tick_total_ms": 5.0, "cache_hit": True, "deadline_miss": False, "mid": 100.0}
    return base | more


def fill(ts: float, symbol: str = "BTCUSDT", **more: Any) -> dict[str, Any]:
    base = {"ts": ts, "symbol": symbol, "side": "buy", "price": 99.99, "qty": 1.0, "liquidity": "maker"}
    return base | {"mid_at_quote": 100.0, "mid_now": 100.0, "quote_price": 99.99} | more


def write(directory: Path, kind: str, *lines: dict[str, Any] | bytes) -> Path:
    """Write one day's file, the day of its first record."""
    directory.mkdir(parents=True, exist_ok=True)
    first = next(line["ts"] for line in lines if isinstance(line, dict))
    day = datetime.fromtimestamp(first, UTC).strftime("%Y%m%d")
    path = directory / f"{kind}_{day}.jsonl"
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return path


def good_feeds(
    directory: Path, day: int = 0, hours: float = 1, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
) -> Path:
    """Ticks every ten seconds and fills every minute: nothing that a filter drops."""
    start = DAY_0 + 86_400 * day
    seconds = int(hours * 3600)
    ticks = [tick(start + n, symbol) for n in range(5, seconds, 10) for symbol in symbols]
    fills = [fill(start + n, symbol, trade_id=f"t{n}") for n in range(30, seconds, 60) for symbol in symbols]
    write(directory, "pipeline_ticks", *ticks)
    write(directory, "fills", *fills)
    return directory
