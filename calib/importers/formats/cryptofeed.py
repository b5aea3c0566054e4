"""Cryptofeed's raw captures of Binance, spot and futures: what came over the wire, a line each.

    configuration: ...                    what the run was asked for
    <url> <-> <time>                      a connection was opened
    <url> <- <time>: <message>            sent
    <time>: <message>                     received
    <url> -> <time>: <body>               an HTTP answer, of which the order book snapshots are taken

Times are Unix seconds with a fraction. Cryptofeed starts a new file when one is large, so a file may begin anywhere
among these lines.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from calib.errors import NotThisFormat, TruncatedInput
from calib.importers.base import Advance, BadRow, Imported, ImportOption, Rejected, unseen
from calib.importers.binance import COINM, SPOT, USDM, BinanceMessages, Found, Scan
from calib.importers.formats.hftbacktest_collector import SYMBOL_OPTION
from calib.importers.lines import TOO_LONG, text_lines

_HINT: Final = "Give the raw captures that cryptofeed made of Binance or Binance futures, plain or .gz"
_LINE: Final = re.compile(
    rb"(?:(?P<url>\w+://\S+) (?P<way><->|<-|->) )?(?P<ts>\d{9,11}(?:\.\d+)?)(?:: (?P<message>.*))?", re.DOTALL
)
_CONFIGURATION: Final = b"configuration: "
_DOMAINS: Final = ("binance.com", "binance.us", "binance.vision")
_FUTURES_HOST: Final = re.compile(r"(?:ws-)?([fd])(?:api|stream)")
_FUTURES_PATH: Final = re.compile(r"/([fd])api/")
_DEPTH_STREAM: Final = re.compile(rb"@depth(\d*)(?=[@\"/&]|$)")
_ANSWERS: Final = re.compile(rb'\{\s*"(?:result|id|timezone)"')
"""Answers to a subscription, and the list of instruments."""


def market_of(url: SplitResult) -> str | None:
    """The market of Binance that an address belongs to; None where it is not one of Binance's.

    >>> market_of(urlsplit("https://www.binance.com/api/v1/depth")), market_of(urlsplit("wss://fstream.binance.com/ws"))
    ('binance-spot', 'binance-usdm')
    """
    host = (url.hostname or "").lower()
    domain = next((name for name in _DOMAINS if host == name or host.endswith(f".{name}")), None)
    if domain is None:
        return None
    futures = _FUTURES_HOST.match(host) or _FUTURES_PATH.match(url.path)
    market = {"f": USDM, "d": COINM}[futures[1]] if futures else SPOT
    return market.replace("binance", "binance-us", 1) if domain == "binance.us" else market


class Cryptofeed:
    """Book and trades of every symbol in a capture.

    A connection opened again, by the same run or a later one, is counted as ``reconnect``: what the venue sent in
    between is missing from the recording.
    Messages of another venue than Binance are counted as ``other_venue``.

    Parameters
    ----------
    symbol
        Symbol of snapshots that neither name one nor were asked for by one; None: the stream's only one.
    """

    name: ClassVar[str] = "cryptofeed"
    summary: ClassVar[str] = (
        "Turn cryptofeed's raw captures of Binance into book and trades feeds, one file per UTC day."
    )
    files: ClassVar[str] = "Raw captures of Binance or Binance futures, plain or .gz."
    example: ClassVar[str] = "BINANCE-capture.0 --out artifacts/edge/feeds"
    options: ClassVar[tuple[ImportOption, ...]] = (SYMBOL_OPTION,)
    hints: ClassVar[Mapping[str, str]] = {
        "reconnect": "the recording was interrupted there, what the venue sent in between is missing",
        "other_venue": "they came from another venue, and this importer reads Binance's messages",
    }

    def __init__(self, symbol: str | None = None) -> None:
        self._symbol = symbol

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        with closing(_received(path)) as texts:
            scan = Scan.of(texts)
        capture = _Capture(path, BinanceMessages(scan, named=self._symbol, where=str(path)))
        for line, text, too_long in text_lines(path, _HINT, advance):
            try:
                if too_long:
                    raise TOO_LONG
                if (found := capture.record(line, text)) is not None:
                    yield Imported(found.kind, found.record, line, found.stream, found.market)
            except BadRow as bad:
                yield bad.rejected(line, text)


def _received(path: Path) -> Generator[bytes]:
    """The messages of a capture, whatever they came from."""
    try:
        for _, text, _ in text_lines(path, _HINT):
            match = _LINE.fullmatch(text)
            if match is not None and match["message"] is not None and match["way"] is None:
                yield match["message"]
    except TruncatedInput:
        return  # the reading itself speaks of it, at its line


class _Capture:
    """What must be known of the lines before to read the next one."""

    def __init__(self, path: Path, messages: BinanceMessages) -> None:
        self._path = path
        self._messages = messages
        self._market: str | None = ""
        """Of the newest connection, which received messages do not name; empty before one, None of another venue."""
        self._begun = self._streaming = False
        self._depths: set[str] = set()
        """The depth streams that were subscribed to: their levels, empty for that of changes."""

    def record(self, line: int, text: bytes) -> Found | None:
        """The record of a line; None of one that is not a message."""
        match = _LINE.fullmatch(text)
        control = text.startswith(_CONFIGURATION)
        if not self._begun and match is None and not control:
            raise NotThisFormat("does not begin with a line of a raw capture", where=f"{self._path}:{line}", hint=_HINT)
        self._begun = True
        if control:
            return None
        if match is None or (match["message"] is None) != (match["way"] == b"<->"):
            raise BadRow("bad_line")
        url = _split(match["url"])
        market = self._market_of(url, line) if match["url"] else self._market
        if match["way"] in (b"<->", b"<-"):
            self._depths |= {
                found.decode() for found in _DEPTH_STREAM.findall(match["url"] + (match["message"] or b""))
            }
        if match["way"] == b"<->":
            self._connection(market)
        if match["way"] in (b"<->", b"<-"):
            return None
        if market is None:
            raise BadRow("other_venue", damaged=False)
        return self._message(match["message"], float(match["ts"]), url if match["url"] else None, market)

    def _connection(self, market: str | None) -> None:
        again = self._streaming and market is not None and market == (self._market or market)
        self._market = market
        self._streaming = True
        if again:
            self._messages.reconnected()
            raise BadRow("reconnect", damaged=False)

    def _message(self, message: bytes, ts: float, url: SplitResult | None, market: str) -> Found:
        self._streaming = True
        if _ANSWERS.match(message):
            raise BadRow("no_feed", damaged=False)
        if url is not None:
            symbol = next(iter(parse_qs(url.query).get("symbol", ())), None)
            return self._messages.record(message, ts, asked_for=symbol, told=market)
        (partial,) = self._depths if len(self._depths) == 1 else ("",)
        return self._messages.record(message, ts, partial=partial, told=market, requested=False)

    def _market_of(self, url: SplitResult, line: int) -> str | None:
        market = market_of(url)
        if market is None and not self._market and not self._streaming:
            raise NotThisFormat(
                f"is a capture of {url.hostname}, which is neither Binance nor Binance futures",
                where=f"{self._path}:{line}",
                hint=_HINT,
            )
        return market


def _split(url: bytes | None) -> SplitResult:
    try:
        found = urlsplit((url or b"").decode("utf-8", "replace"))
        _ = found.hostname, found.port
    except ValueError:
        raise BadRow("bad_line", "url") from None
    return found
