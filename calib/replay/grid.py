"""Feature snapshots on a time grid, stored in columns."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

from calib.features import FeatureSnapshot

if TYPE_CHECKING:
    from typing import BinaryIO

    import polars as pl

    from calib.features import FeatureCollector

_COUNTS = ("fills_total", "fills_maker", "fills_taker")
COLUMNS = tuple(name for name in FeatureSnapshot._fields if name != "symbol")


class FeatureGrid:
    """Records the features of every symbol at each grid point.

    Parameters
    ----------
    every_us
        Step of the grid, counted from the epoch, us.
    """

    def __init__(self, every_us: int) -> None:
        self.every_us = every_us
        self._ts_us = array("q")
        self._symbols: list[str] = []
        self._columns = {name: array("d") for name in COLUMNS}

    def take(self, at_us: int, collector: FeatureCollector) -> None:
        """Record the state at ``at_us``, after all events of that time."""
        for symbol, snapshot in collector.snapshot_all().items():
            self._ts_us.append(at_us)
            self._symbols.append(symbol)
            for name, column in self._columns.items():
                value = getattr(snapshot, name)
                column.append(math.nan if value is None else value)

    def __len__(self) -> int:
        return len(self._ts_us)

    def frame(self) -> pl.DataFrame:
        """The grid with columns ``ts`` (Unix seconds), ``symbol``, and each feature, null without observations."""
        import polars as pl

        columns = [
            pl.Series("ts", self._ts_us, dtype=pl.Int64) / 1e6,
            pl.Series("symbol", self._symbols, dtype=pl.String),
        ]
        for name, column in self._columns.items():
            series = pl.Series(name, column, dtype=pl.Float64).fill_nan(None)
            columns.append(series.cast(pl.Int64) if name in _COUNTS else series)
        return pl.DataFrame(columns)


def write_parquet(grid: FeatureGrid, handle: BinaryIO) -> None:
    """Write the grid as parquet (zstd); equal grids give equal bytes."""
    grid.frame().write_parquet(handle, compression="zstd")
