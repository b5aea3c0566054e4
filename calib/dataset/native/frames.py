"""The kernel's rows of one kind of feed as the frame that polars' sums of it are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from calib.dataset.columns import FEATURES, TARGETS
from calib.dataset.grid import INDEX
from calib.dataset.order import GROUP

_VALUES: Final = {
    "pipeline_ticks": [column.name for column in FEATURES],
    "fills": [column.name for column in TARGETS if column.name != "fill_rate"],
}
_COUNTS: Final = {"pipeline_ticks": ("ticks", "quotes"), "fills": ("fills", "filled_quotes")}


def kind_frame(kind: str, rows: bytearray, symbols: Mapping[str, int]) -> pl.DataFrame:
    """Sorted by (symbol, index); columns as `calib.dataset.ticks.TickAggregator` and the one of fills give them."""
    counts, values = _COUNTS[kind], _VALUES[kind]
    head = [("index", "i8"), ("symbol", "u4"), ("nulls", "u4"), *((name, "i8") for name in counts)]
    found = np.frombuffer(bytes(rows), np.dtype([*head, *((name, "f8") for name in values)]))
    names = pl.Series(list(symbols), dtype=pl.String())
    columns: dict[str, Any] = {"symbol": names.gather(found["symbol"]), INDEX: found["index"].copy()}
    columns |= {name: found[name].copy() for name in counts}
    for n, name in enumerate(values):
        series = pl.Series(name, found[name].copy())
        missing = (found["nulls"] >> n) & 1 == 1
        columns[name] = series.set(pl.Series(missing), None) if missing.any() else series
    return pl.DataFrame(columns).sort(*GROUP)
