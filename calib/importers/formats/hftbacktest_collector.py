"""Read the recordings of hftbacktest's collector: one ``<receive time> <the exchange's JSON>`` per line.

The first messages of a file identify the venue: Binance, Bybit or Hyperliquid.

Receive times are nanoseconds, in older files microseconds. A message may have a combined-stream envelope
(``{"stream", "data"}``); REST snapshots are among the messages, on spot without a symbol. Best prices (bookTicker) have
no feed and are counted as ``no_feed``.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import ClassVar, Final

from calib.errors import NotThisFormat, TruncatedInput
from calib.importers.base import Advance, BadRow, Imported, ImportOption, Rejected, unseen
from calib.importers.binance import BinanceMessages, Scan
from calib.importers.cells import UNITS
from calib.importers.lines import TOO_LONG, text_lines
from calib.importers.recorded_venues import RECORDED, RecordedVenue

_HINT: Final = "Give the collector's files, plain or .gz: <name>_YYYYMMDD.gz"
_STAMP: Final = re.compile(rb"(\d{16}|\d{19}) +(\{.*)", re.DOTALL)
_OTHER_UNIT: Final = re.compile(rb"(\d{10,19})(\.\d+)?[ :,]+\{")
_NAME: Final = re.compile(r"(.+?)_\d{8}(?!\d)")
SYMBOL_OPTION: Final = ImportOption(
    "--symbol", "Symbol of snapshots that name none [from the file's name, else the stream's only one].", "SYM"
)


def symbol_of(path: Path) -> str | None:
    """Return the symbol in a file name, as hftbacktest names the file of one market and day; None if there is none.

    >>> symbol_of(Path("btcusdt_20240808.gz")), symbol_of(Path("ethusd_perp_20240808.gz")), symbol_of(Path("x.gz"))
    ('BTCUSDT', 'ETHUSD_PERP', None)
    """
    named = _NAME.match(path.name)
    return named[1].upper() if named else None


class HftbacktestCollector:
    """Reads the book and trades of one market per file.

    A snapshot that repeats the one before it is a ``duplicate`` reject.

    Parameters
    ----------
    symbol
        Symbol of snapshots that name none; None: the symbol in the file's name if the stream names it too, else the
        only symbol that the stream names.
    """

    name: ClassVar[str] = "hftbacktest-collector"
    summary: ClassVar[str] = (
        "Turn the recordings of hftbacktest's collector into book and trades feeds, one file per UTC day."
    )
    files: ClassVar[str] = "The collector's files, plain or .gz."
    example: ClassVar[str] = "btcusdt_20240808.gz --out artifacts/edge/feeds"
    options: ClassVar[tuple[ImportOption, ...]] = (SYMBOL_OPTION,)
    hints: ClassVar[Mapping[str, str]] = {}

    def __init__(self, symbol: str | None = None) -> None:
        self._symbol = symbol

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        with closing(_messages(path)) as texts:
            scan = Scan.of(texts)
        if scan.other_venue and not scan.binance_messages:
            recorded = RECORDED.get(scan.other_venue)
            if recorded is None:
                raise NotThisFormat(
                    f"is a recording of {scan.other_venue}; this importer reads Binance, {', '.join(RECORDED)}",
                    where=str(path),
                    hint=_HINT,
                )
            yield from _recorded(recorded, path, advance)
            return
        messages = BinanceMessages(scan, symbol=self._symbol, file_symbol=symbol_of(path), where=str(path))
        for line, text, too_long in text_lines(path, _HINT, advance):
            try:
                ts, message = _split(text, too_long)
                kind, record, stream, market = messages.record(message, ts)
            except BadRow as bad:
                yield bad.rejected(line, text)
            else:
                yield Imported(kind, record, line, stream, market)


def _recorded(recorded: RecordedVenue, path: Path, advance: Advance) -> Iterator[Imported | Rejected]:
    """Yield the rows of a venue other than Binance, whose messages may hold several trades."""
    for line, text, too_long in text_lines(path, _HINT, advance):
        try:
            ts, message = _split(text, too_long)
        except BadRow as bad:
            yield bad.rejected(line, text)
            continue
        for part, found in enumerate(recorded.records(message, ts)):
            if isinstance(found, BadRow):
                yield found.rejected(line, text)
            else:
                yield Imported(found.kind, found.record, line, found.stream, found.market, part)


def _split(text: bytes, too_long: bool) -> tuple[float, bytes]:
    """Return the receive time, Unix seconds, and the message."""
    if too_long:
        raise TOO_LONG
    match = _STAMP.fullmatch(text)
    if match is None:
        raise BadRow("bad_line")
    return int(match[1]) / (1e6 if len(match[1]) == 16 else 1e9), match[2]


def _messages(path: Path) -> Generator[bytes]:
    """Yield the messages without their receive times.

    Raises
    ------
    NotThisFormat
        If the first line is not of this format.
    """
    try:
        for line, text, _ in text_lines(path, _HINT):
            match = _STAMP.fullmatch(text)
            if match is not None:
                yield match[2]
            elif line == 1:
                raise NotThisFormat(_first_line(text), where=f"{path}:1", hint=_HINT)
    except TruncatedInput:
        return  # `read` raises the same error at its line


def _first_line(text: bytes) -> str:
    if (other := _OTHER_UNIT.match(text)) is not None:
        unit = "seconds" if other[2] else UNITS.get(len(other[1]), f"{len(other[1])} digits")
        return f"the receive times look like {unit}; expected nanoseconds (19 digits) or microseconds (16)"
    return "does not begin with a receive time and the exchange's JSON"
