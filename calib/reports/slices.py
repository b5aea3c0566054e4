"""Iterates over the symbols of a sorted frame without copying rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def by_symbol(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each symbol with its rows; the frame must be sorted by ``symbol``, as a dataset's is."""
    at = 0
    for run in frame["symbol"].rle().to_list():
        yield run["value"], frame.slice(at, run["len"])
        at += run["len"]
