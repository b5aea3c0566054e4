"""The recordings of hftbacktest's collector: ``<receive time> <the exchange's JSON>`` a line, of Binance.

Newer files stamp nanoseconds, older ones microseconds. A message may stand in a combined-stream envelope
(``{"stream", "data"}``); the REST snapshot stands inline, on spot without a symbol. Best prices (bookTicker) have no
feed: they are left out, counted as ``no_feed``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from calib.errors import NotThisFormat
from calib.importers.base import Advance, Imported, Rejected, unseen
from calib.importers.binance import BadMessage, BinanceMessages
from calib.importers.lines import text_lines

_HINT: Final = "Give the collector's files, plain or .gz: <name>_YYYYMMDD.gz"
_STAMP: Final = re.compile(rb"(\d{16}|\d{19}) +(\{.*)", re.DOTALL)
_NAME: Final = re.compile(r"([A-Za-z0-9]+)_\d{8}(?!\d)")


def symbol_of(path: Path) -> str | None:
    """``BTCUSDT`` of ``btcusdt_20240808.gz``: hftbacktest's way to name a file of one market and day."""
    named = _NAME.match(path.name)
    return named[1].upper() if named else None


class HftbacktestCollector:
    """Book and trades of one market per file.

    A file that holds both plain and aggregated trades shows each trade twice: the kind that comes first is taken, the
    other counted as ``second_trade_stream``. A snapshot that repeats the one before it is a ``duplicate``.
    """

    name = "hftbacktest-collector"

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        messages, symbol = BinanceMessages(), symbol_of(path)
        for line, text in text_lines(path, _HINT, advance):
            match = _STAMP.fullmatch(text)
            if match is None and line == 1:
                raise NotThisFormat(
                    "does not begin with a receive time and the exchange's JSON", where=f"{path}:1", hint=_HINT
                )
            try:
                if match is None:
                    raise BadMessage("bad_line", "")
                ts = int(match[1]) / (1e6 if len(match[1]) == 16 else 1e9)
                kind, record = messages.record(match[2], ts, symbol)
            except BadMessage as bad:
                yield Rejected(line, bad.reason, bad.field, text[:500].decode("utf-8", "replace"), bad.damaged)
            else:
                yield Imported(kind, record, line)
