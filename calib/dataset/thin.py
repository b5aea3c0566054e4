"""Suggest a smaller limit that would keep intervals with too few ticks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calib.dataset.filters.low_ticks import LowTicks
from calib.words import counted

if TYPE_CHECKING:
    import polars as pl


def low_ticks_note(rows: pl.DataFrame, dropped: pl.DataFrame) -> str | None:
    """Return how many rows that low_ticks alone dropped a smaller ``--min-ticks`` keeps; None without such rows."""
    import polars as pl

    only = dropped.filter(pl.col("reasons") == [LowTicks.reason])
    return thin_note(rows.join(only, on=["symbol", "start_ts"], how="semi")["ticks"].to_list())


def thin_note(ticks: Sequence[int]) -> str | None:
    """Return the note of `low_ticks_note` from the number of tick lines of each such row."""
    if not ticks:
        return None
    ordered = sorted(ticks, reverse=True)
    choices = [
        f"--min-ticks {limit} would keep {sum(number >= limit for number in ordered)}"
        for limit in dict.fromkeys((ordered[0], ordered[len(ordered) // 2], ordered[-1]))
        if limit > 0
    ]
    many = counted(len(ordered), "interval")
    return f"low_ticks alone dropped {many}: {', '.join(choices) or 'none of them has a tick'}"
