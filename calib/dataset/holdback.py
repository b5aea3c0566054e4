"""Lines held back until their interval can grow no more: what makes exact quantiles possible in bounded memory.

Feeds are nearly in time order. So a symbol's interval is closed, and its lines let go, once the symbol's watermark has
passed its end by an allowance. The watermark is the largest *median* time of a batch: one line with a wild time moves
it nowhere. A line that comes later still is remembered by its interval (`Holdback.late`), and that interval is summed
anew from the files: it is neither lost nor made into a second group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from calib.dataset.grid import INDEX, Grid
from calib.dataset.order import GROUP

ALLOWANCE_S: Final = 900.0
"""How far behind its symbol's watermark a line may come and still meet its interval open, s."""
_OPEN: Final = "first_open"


class Holdback:
    """The open intervals of one kind of feed.

    Parameters
    ----------
    grid
        The interval grid.
    close
        Gets every line of some intervals, whole.
    allowance_s
        See `ALLOWANCE_S`.
    """

    def __init__(self, grid: Grid, close: Callable[[pl.DataFrame], None], allowance_s: float = ALLOWANCE_S) -> None:
        self._grid = grid
        self._close = close
        self._allowance_s = allowance_s
        self._held: list[pl.DataFrame] = []
        self._first_open = pl.DataFrame(schema={"symbol": pl.String, _OPEN: pl.Int64})
        self._late: list[pl.DataFrame] = []

    def add(self, lines: pl.DataFrame) -> None:
        """Take lines with their ``symbol``, ``ts`` and ``index``; close what has become complete."""
        lines = lines.join(self._first_open, on="symbol", how="left")
        is_late = (pl.col(INDEX) < pl.col(_OPEN)).fill_null(value=False)
        late = lines.filter(is_late)
        if late.height:
            self._late.append(late.group_by(*GROUP).agg(pl.len().cast(pl.Int64).alias("lines")))
            lines = lines.filter(~is_late)
        self._held.append(lines.drop(_OPEN))
        self._advance(lines.group_by("symbol").agg((pl.col("ts").median() - self._allowance_s).alias("ts")))

    def end_day(self, end: int) -> None:
        """No later line is before ``end`` (Unix seconds): every interval that ends by then is complete."""
        if self._held:
            seen = pl.concat([self._first_open.select("symbol"), *(lines.select("symbol") for lines in self._held)])
            self._advance(seen.unique().with_columns(ts=pl.lit(float(end))))

    def end(self) -> None:
        """No line comes any more."""
        if held := self._take():
            self._close(held[0])

    @property
    def late(self) -> pl.DataFrame:
        """Intervals that were closed too early: ``symbol``, ``index`` and the number of ``lines`` that came late."""
        if not self._late:
            return pl.DataFrame(schema={"symbol": pl.String, INDEX: pl.Int64, "lines": pl.Int64})
        return pl.concat(self._late).group_by(*GROUP).agg(pl.col("lines").sum()).sort(*GROUP)

    def _advance(self, watermarks: pl.DataFrame) -> None:
        """Move each symbol's first open interval forward, never back, and close what lies before it."""
        reached = watermarks.select("symbol", self._grid.index_of("ts").alias(_OPEN))
        # Raised together with the closing, never before: else a line would count as late whose interval is still held.
        self._first_open = pl.concat([self._first_open, reached]).group_by("symbol").agg(pl.col(_OPEN).max())
        if not (held := self._take()):
            return
        lines = held[0].join(self._first_open, on="symbol", how="left")
        is_open = pl.col(INDEX) >= pl.col(_OPEN)
        complete = lines.filter(~is_open).drop(_OPEN)
        if complete.height:
            self._close(complete)
        self._held = [lines.filter(is_open).drop(_OPEN)]

    def _take(self) -> list[pl.DataFrame]:
        """Everything held as one frame, or nothing; the list is empty after it."""
        held, self._held = [lines for lines in self._held if lines.height], []
        return [pl.concat(held)] if held else []
