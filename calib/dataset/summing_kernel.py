"""Whether the kernel sums: where it is there, and knows every number of a dataset."""

from __future__ import annotations

from typing import Any, Final

from calib.dataset.columns import NUMBERS
from calib.feeds.reading.native import library

SUMMED: Final = (
    *("net_bps", "net_bps_equal", "markout_1s_bps", "markout_5s_bps", "markout_30s_bps", "slippage_bps", "fill_rate"),
    *("taker_share", "taker_share_notional", "notional", "pnl_mid"),
    *("latency_p95_ms", "latency_p50_ms", "latency_p99_ms", "fetch_md_p95_ms", "cache_hit_ratio", "cache_age_avg_ms"),
    *("deadline_miss_rate", "stale_rate", "max_gap_s", "vol_realized_bps"),
)
"""The targets and features that the kernel's sums give, in their order (``rows.c``)."""


def summing_kernel() -> Any | None:
    """The kernel; None where there is none, or a target or feature is not in it yet: then Python sums.

    >>> SUMMED == tuple(column.name for column in NUMBERS)
    True
    """
    return library() if tuple(column.name for column in NUMBERS) == SUMMED else None
