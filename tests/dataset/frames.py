"""Frames of lines for tests, as a reader would give them."""

from __future__ import annotations

from typing import Any

import polars as pl

from calib.dataset.fills import FillAggregator
from calib.dataset.ticks import TickAggregator

_EXTRA = {"index": pl.Int64(), "file": pl.Int64()}


def ticks(*lines: dict[str, Any]) -> pl.DataFrame:
    """Tick lines of BTCUSDT in interval 0 of file 0, unless they say otherwise; ``md`` is stage_latencies.fetch_md."""
    whole = [
        {
            "symbol": "BTCUSDT",
            "tick_total_ms": 1.0,
            "cache_hit": True,
            "deadline_miss": False,
            "index": 0,
            "file": 0,
            "line": number,
            **({"stage_latencies.fetch_md": line["md"]} if "md" in line else {}),
            **{name: value for name, value in line.items() if name != "md"},
        }
        for number, line in enumerate(lines, 1)
    ]
    return pl.DataFrame(whole, schema={"line": pl.Int64(), **TickAggregator.lines, **_EXTRA})


def fills(*lines: dict[str, Any]) -> pl.DataFrame:
    """Fills of BTCUSDT, maker buys of 1, in interval 0 of file 0, unless they say otherwise."""
    whole = [
        {
            "symbol": "BTCUSDT",
            "ts": 1.0,
            "side": "buy",
            "qty": 1.0,
            "liquidity": "maker",
            "index": 0,
            "file": 0,
            "line": number,
            **line,
        }
        for number, line in enumerate(lines, 1)
    ]
    return pl.DataFrame(whole, schema={"line": pl.Int64(), **FillAggregator.lines, **_EXTRA})


def sum_of_ticks(*lines: dict[str, Any], interval_sec: int = 300, tick_sample_rate: int = 10) -> dict[str, Any]:
    """The one row of these lines."""
    return TickAggregator(interval_sec, tick_sample_rate)(ticks(*lines)).row(0, named=True)


def sum_of_fills(*lines: dict[str, Any], maker_fee_bps: float = 0.0, taker_fee_bps: float = 0.0) -> dict[str, Any]:
    """The one row of these fills."""
    return FillAggregator(maker_fee_bps, taker_fee_bps)(fills(*lines)).row(0, named=True)
