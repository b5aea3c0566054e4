"""The symbols of a recording that have deltas, which decides how a snapshot without an origin is treated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from calib.feeds.reading.batches import FeedReading
from calib.feeds.reading.days import DayFile

_CHUNK_BYTES = 1 << 18


class DeltaSymbols:
    """The symbols with deltas in the range; the files are read only as far as a query needs.

    Parameters
    ----------
    files
        The book files, in the order of their days.
    end
        Unix seconds at which the range ends; None if it is open.
    """

    def __init__(self, files: Sequence[DayFile], end: float | None = None) -> None:
        self._found: set[str] = set()
        self._ahead = _deltas(files, end)

    def __contains__(self, symbol: object) -> bool:
        while symbol not in self._found:
            batch = next(self._ahead, None)
            if batch is None:
                return False
            self._found |= batch
        return True


def _deltas(files: Sequence[DayFile], end: float | None) -> Iterator[set[str]]:
    for file in files:
        for batch in FeedReading(file, ["ts", "symbol", "type"], newest=True, chunk_bytes=_CHUNK_BYTES, batch_lines=1):
            rows = zip(*(batch[name].to_list() for name in ("ts", "symbol", "type")), strict=True)
            yield {symbol for ts, symbol, kind in rows if kind == "delta" and (end is None or ts < end)}
