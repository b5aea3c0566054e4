"""Which smaller limit would have kept the intervals that had too few ticks."""

from __future__ import annotations

import polars as pl

from calib.dataset.filters.low_ticks import LowTicks


def low_ticks_note(rows: pl.DataFrame, dropped: pl.DataFrame) -> str | None:
    """Which smaller ``--min-ticks`` would keep how many of the rows that only this filter dropped; None without any."""
    only = dropped.filter(pl.col("reasons") == [LowTicks.reason])
    if only.is_empty():
        return None
    ticks = rows.join(only, on=["symbol", "start_ts"], how="semi")["ticks"].sort(descending=True)
    choices = [
        f"--min-ticks {limit} would keep {ticks.filter(ticks >= limit).len()}"
        for limit in dict.fromkeys((ticks[0], ticks[ticks.len() // 2], ticks[-1]))
        if limit > 0
    ]
    many = f"{ticks.len()} interval{'' if ticks.len() == 1 else 's'}"
    return f"low_ticks alone dropped {many}: {', '.join(choices) or 'none of them has a tick'}"
