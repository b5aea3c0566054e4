"""Which smaller limit would have kept the intervals that had too few ticks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calib.dataset.filters.low_ticks import LowTicks

if TYPE_CHECKING:
    import polars as pl


def low_ticks_note(rows: pl.DataFrame, dropped: pl.DataFrame) -> str | None:
    """Which smaller ``--min-ticks`` would keep how many of the rows that only this filter dropped; None without any."""
    import polars as pl

    only = dropped.filter(pl.col("reasons") == [LowTicks.reason])
    return thin_note(rows.join(only, on=["symbol", "start_ts"], how="semi")["ticks"].to_list())


def thin_note(ticks: Sequence[int]) -> str | None:
    """The same from the tick lines of each such row."""
    if not ticks:
        return None
    ordered = sorted(ticks, reverse=True)
    choices = [
        f"--min-ticks {limit} would keep {sum(number >= limit for number in ordered)}"
        for limit in dict.fromkeys((ordered[0], ordered[len(ordered) // 2], ordered[-1]))
        if limit > 0
    ]
    many = f"{len(ordered)} interval{'' if len(ordered) == 1 else 's'}"
    return f"low_ticks alone dropped {many}: {', '.join(choices) or 'none of them has a tick'}"
