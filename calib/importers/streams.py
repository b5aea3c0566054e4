"""Which stream a symbol's feed comes from: two of them in one feed would be a market that never was."""

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
"""Feed and the names of its streams, in lower case; any other name is a market's."""


class Streams:
    """Chooses among the streams of an import, and refuses two under one symbol.

    A file that holds plain and aggregated trades shows each trade twice: the stream that comes first in it is taken,
    the other is counted as ``second_trade_stream``.

    Parameters
    ----------
    only
        A market (``kucoin``, ``binance-spot``, or a word of its name, ``spot``), or a stream (``aggTrade``,
        ``depth5``), which leaves the other feeds as they are. Records of others are ``other_stream`` rejects; one that
        does not tell its market or stream is kept. None: all.
    symbol_suffix
        Added to every symbol, with the market in place of ``{market}``.

    Attributes
    ----------
    markets
        Symbol -> its market, as far as the source tells.
    left_out
        Some of what ``only`` left out, market and stream.
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
        """The records to come are of that file."""
        self._path = path
        self._first_in_file.clear()

    def judge(self, item: Imported) -> dict[str, Any] | Rejected:
        """The record as it is taken, or why it is not.

        Raises
        ------
        MixedStreams
            Where its symbol's feed comes from another market or stream already.
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
            return record  # its feed's schema will refuse it
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
            f"{found} of {symbol}, of which {first} is imported already: two streams under one symbol",
            where=f"{self._path}:{line}",
            hint=f"Choose with --only {first} or --only {found}{keep_both}",
        )


def _kind_of(only: str | None) -> str:
    """The feed of a stream's name; empty of a market's."""
    return next((kind for kind, names in _STREAMS if only is not None and names.fullmatch(only)), "")
