"""Keep each symbol's feed to one stream: a mix of two streams would not be the data of any market."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from calib.errors import MixedStreams
from calib.importers.base import Imported, Rejected

DEFAULT_SUFFIX: Final = "@{market}"
_NAMED: Final = 10
_STREAMS: Final = (
    ("book", re.compile(r"depth\d*|incremental_book_l2|quotes|book_snapshot_\d+|bookticker")),
    ("trades", re.compile(r"trades?|aggtrades?")),
)
"""Feed and pattern of the names of its streams, in lower case; any other name is a market."""


class Streams:
    """Selects the streams of an import, and refuses two streams under one symbol.

    A file with both plain and aggregated trades holds each trade twice: the stream that comes first in the file is
    kept, and rows of the other are ``second_trade_stream`` rejects.

    Parameters
    ----------
    only
        The market (``kucoin``, ``binance-spot``, or a word of its name, ``spot``) or the stream (``aggTrade``,
        ``depth5``) to keep; a stream limits its own feed only. Other records are ``other_stream`` rejects; a record
        without a market or stream is kept. None: keep all.
    symbol_suffix
        Appended to every symbol, with ``{market}`` replaced by the market.

    Attributes
    ----------
    markets
        Symbol -> its market, where the source names it.
    left_out
        The first few markets and streams that ``only`` excluded.
    """

    def __init__(self, only: str | None = None, symbol_suffix: str = "") -> None:
        self._only = None if only is None else only.casefold()
        self._only_kind = _kind_of(self._only)
        self._suffix = symbol_suffix
        self.markets: dict[str, str] = {}
        self.left_out: dict[str, None] = {}
        self._streams: dict[tuple[str, str], str] = {}
        self._first_in_file: dict[tuple[str, str], str] = {}
        self._path = Path()

    def begin_file(self, path: Path) -> None:
        """Start a source file; the following records come from it."""
        self._path = path
        self._first_in_file.clear()

    def judge(self, item: Imported) -> dict[str, Any] | Rejected:
        """Return the record to import, or its reject.

        Raises
        ------
        MixedStreams
            If the symbol's feed already comes from another market or stream.
        """
        record, market, stream = item.record, item.market, item.stream
        if not self._is_chosen(item):
            label = " ".join(filter(None, (market, stream)))
            if len(self.left_out) < _NAMED:
                self.left_out[label] = None
            return Rejected(item.line, "other_stream", "", label, damaged=False)
        if self._suffix and isinstance(record.get("symbol"), str) and (market or "{market}" not in self._suffix):
            record = record | {"symbol": record["symbol"] + self._suffix.replace("{market}", market)}
        symbol = record.get("symbol")
        if not isinstance(symbol, str):
            return record  # the feed's schema rejects it
        if market and market != (first := self.markets.setdefault(symbol, market)):
            keep_both = f", or keep both with --symbol-suffix '{DEFAULT_SUFFIX}'"
            raise self._mixed(symbol, market, first, item.line, keep_both)
        if stream:
            key = item.kind, symbol
            first = self._streams.setdefault(key, stream)
            here = self._first_in_file.setdefault(key, stream)
            if stream != first:
                if item.kind == "trades" and here == first:
                    return Rejected(item.line, "second_trade_stream", "", stream, damaged=False)
                raise self._mixed(symbol, stream, first, item.line)
        return record

    def _is_chosen(self, item: Imported) -> bool:
        if self._only is None:
            return True
        if self._only_kind:
            return item.kind != self._only_kind or not item.stream or item.stream.casefold() == self._only
        market = item.market.casefold()
        return not market or self._only == market or self._only in market.split("-")

    def _mixed(self, symbol: str, found: str, first: str, line: int, keep_both: str = "") -> MixedStreams:
        return MixedStreams(
            f"{symbol} comes from {first} and from {found}; a symbol's feed must come from one stream",
            where=f"{self._path}:{line}",
            hint=f"Choose one with --only {first} or --only {found}{keep_both}",
        )


def _kind_of(only: str | None) -> str:
    """Return the feed of a stream's name; empty for the name of a market."""
    return next((kind for kind, names in _STREAMS if only is not None and names.fullmatch(only)), "")
