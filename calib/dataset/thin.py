"""Suggest a smaller limit that would keep intervals with too few ticks."""

from __future__ import annotations

import polars as pl

from calib.dataset.filters.low_ticks import LowTicks
from calib.words import counted


def low_ticks_note(rows: pl.DataFrame, dropped: pl.DataFrame) -> str | None:
    """Return how many rows that low_ticks alone dropped a smaller ``--min-ticks`` keeps; None without such rows."""
    only = dropped.filter(pl.col("reasons") == [LowTicks.reason])
    if only.is_empty():
        return None
    ticks = rows.join(only, on=["symbol", "start_ts"], how="semi")["ticks"].sort(descending=True)
    choices = [
        f"--min-ticks {limit} would keep {ticks.filter(ticks >= limit).len()}"
        for limit in dict.fromkeys((ticks[0], ticks[ticks.len() // 2], ticks[-1]))
        if limit > 0
    ]
    dropped_count = counted(ticks.len(), "interval")
    return f"low_ticks alone dropped {dropped_count}: {', '.join(choices) or 'none of them has a tick'}"
