"""A frame that is sorted by symbol, one symbol at a time: without a copy, however many rows there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def by_symbol(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each symbol with its rows; the frame is sorted by ``symbol``, as a dataset's are."""
    at = 0
    for run in frame["symbol"].rle().to_list():
        yield run["value"], frame.slice(at, run["len"])
        at += run["len"]
