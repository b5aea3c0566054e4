"""Buffer lines until their interval is complete: this allows exact quantiles in bounded memory.

Feeds are nearly in time order. An interval of a symbol is closed, and its lines are released, once the symbol's
watermark is past the end of the interval by an allowance. The watermark is the largest *median* time of a batch, so a
single line with a wrong time does not move it. The intervals of lines that arrive after the closing are recorded
(`WatermarkBuffer.late`) and summed again from the files. So no line is lost and no group is split.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from calib.dataset.grid import ALLOWED_LATENESS_S, INDEX, Grid
from calib.dataset.order import GROUP

_Integers = np.ndarray[Any, np.dtype[np.integer[Any]]]


class WatermarkBuffer:
    """The lines of the open intervals of one kind of feed.

    Parameters
    ----------
    grid
        The interval grid.
    close
        Called with the buffered lines of the intervals that are closed.
    allowance_s
        Time by which the watermark must be past the end of an interval, s, see `ALLOWED_LATENESS_S`.
    """

    def __init__(
        self, grid: Grid, close: Callable[[pl.DataFrame], None], allowance_s: float = ALLOWED_LATENESS_S
    ) -> None:
        self._grid = grid
        self._close = close
        self._allowance_s = allowance_s
        self._held: list[_Held] = []
        self._symbols: dict[str, int] = {}
        self._first_open = np.zeros(0, np.int64)
        """Index of the first open interval of each symbol, by the symbol's number."""
        self._late: list[pl.DataFrame] = []

    def add(self, lines: pl.DataFrame) -> None:
        """Add lines with ``symbol``, ``ts`` and ``index``, and close the intervals that are complete now."""
        new = _Held(lines, self._places(lines["symbol"]), lines[INDEX].to_numpy())
        late, kept = new.parted(self._first_open)
        if late is not None:
            self._late.append(late.lines.group_by(*GROUP).agg(pl.len().cast(pl.Int64).alias("lines")))
        if kept is None:
            return
        self._held.append(kept)
        medians = pl.DataFrame({"place": kept.places, "ts": kept.lines["ts"]}).group_by("place").median()
        # Raise it and close in one call: in between, a line of an interval that is still buffered would count as late.
        for place, ts in medians.iter_rows():
            self._first_open[place] = max(self._first_open[place], self._grid.index(ts - self._allowance_s))
        self._close_complete()

    def end_day(self, end: int) -> None:
        """Close every interval that ends by ``end`` (Unix seconds); no further line is earlier than that."""
        np.maximum(self._first_open, self._grid.index(end), out=self._first_open)
        self._close_complete()

    def end(self) -> None:
        """Close all intervals; there are no further lines."""
        self._first_open[:] = np.iinfo(np.int64).max
        self._close_complete()

    @property
    def held(self) -> pl.DataFrame | None:
        """The lines of the open intervals; None if there are none."""
        return pl.concat(held.lines for held in self._held) if self._held else None

    @property
    def late(self) -> pl.DataFrame:
        """Intervals that were closed too early: ``symbol``, ``index`` and the number of late ``lines``."""
        if not self._late:
            return pl.DataFrame(schema={"symbol": pl.String, INDEX: pl.Int64, "lines": pl.Int64})
        return pl.concat(self._late).group_by(*GROUP).agg(pl.col("lines").sum()).sort(*GROUP)

    def _places(self, symbols: pl.Series) -> _Integers:
        """Return the number of each line's symbol, an index of `_first_open`, which is extended for new symbols."""
        for symbol in symbols.unique().sort():
            self._symbols.setdefault(symbol, len(self._symbols))
        fresh = len(self._symbols) - len(self._first_open)
        self._first_open = np.concatenate([self._first_open, np.full(fresh, np.iinfo(np.int64).min)])
        return symbols.cast(pl.Enum(list(self._symbols))).to_physical().to_numpy()

    def _close_complete(self) -> None:
        parted = [held.parted(self._first_open) for held in self._held]
        self._held = [kept for _, kept in parted if kept is not None]
        complete = [done.lines for done, _ in parted if done is not None]
        if complete:
            self._close(pl.concat(complete))


@dataclass(frozen=True, slots=True)
class _Held:
    """Lines, with the number of each line's symbol (``places``) and the index of its interval."""

    lines: pl.DataFrame
    places: _Integers
    index: _Integers

    def parted(self, first_open: _Integers) -> tuple[_Held | None, _Held | None]:
        """Split into the lines of closed intervals and the lines of open intervals; None for an empty part."""
        closed = self.index < first_open[self.places]
        count = int(np.count_nonzero(closed))
        if count == len(closed):
            return (self if count else None), None
        return (self._where(closed), self._where(~closed)) if count else (None, self)

    def _where(self, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> _Held:
        return _Held(self.lines.filter(pl.Series(chosen)), self.places[chosen], self.index[chosen])
