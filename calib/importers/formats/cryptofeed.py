"""Read cryptofeed's raw captures of Binance, spot and futures: one line per event on the wire.

    configuration: ...                    the configuration of the run
    <url> <-> <time>                      a connection was opened
    <url> <- <time>: <message>            sent
    <time>: <message>                     received
    <url> -> <time>: <body>               an HTTP response; order book snapshots are imported

Times are Unix seconds with a fraction. Cryptofeed rotates large files, so a file may begin with any of these lines.
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
from calib.importers.binance import COINM, SPOT, USDM, BinanceMessages, ParsedMessage, Scan
from calib.importers.formats.hftbacktest_collector import SYMBOL_OPTION
from calib.importers.lines import TOO_LONG, text_lines

_HINT: Final = "Give cryptofeed's raw captures of Binance or Binance futures, plain or .gz"
_LINE: Final = re.compile(
    rb"(?:(?P<url>\w+://\S+) (?P<way><->|<-|->) )?(?P<ts>\d{9,11}(?:\.\d+)?)(?:: (?P<message>.*))?", re.DOTALL
)
_CONFIGURATION: Final = b"configuration: "
_DOMAINS: Final = ("binance.com", "binance.us", "binance.vision")
_FUTURES_HOST: Final = re.compile(r"(?:ws-)?([fd])(?:api|stream)")
_FUTURES_PATH: Final = re.compile(r"/([fd])api/")
_DEPTH_STREAM: Final = re.compile(rb"@depth(\d*)(?=[@\"/&]|$)")
_RESPONSES: Final = re.compile(rb'\{\s*"(?:result|id|timezone)"')
"""Responses to a subscription, and the list of instruments."""


def market_of(url: SplitResult) -> str | None:
    """Return the Binance market that a URL belongs to; None if the URL is not one of Binance's.

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
    """Reads the book and trades of every symbol in a capture.

    A reconnect, by the same run or a later one, is counted as ``reconnect``: messages sent in between are missing from
    the recording. Messages of other venues are counted as ``other_venue``.

    Parameters
    ----------
    symbol
        Symbol of snapshots that have none in the message or its request; None: the only symbol of the stream.
    """

    name: ClassVar[str] = "cryptofeed"
    summary: ClassVar[str] = (
        "Turn cryptofeed's raw captures of Binance into book and trades feeds, one file per UTC day."
    )
    files: ClassVar[str] = "Raw captures of Binance or Binance futures, plain or .gz."
    example: ClassVar[str] = "BINANCE-capture.0 --out artifacts/edge/feeds"
    options: ClassVar[tuple[ImportOption, ...]] = (SYMBOL_OPTION,)
    hints: ClassVar[Mapping[str, str]] = {
        "reconnect": "the recording was interrupted, messages sent in between are missing",
        "other_venue": "they are messages of another venue, this importer reads Binance's only",
    }

    def __init__(self, symbol: str | None = None) -> None:
        self._symbol = symbol

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        with closing(_messages(path)) as texts:
            scan = Scan.of(texts)
        capture = _Capture(path, BinanceMessages(scan, symbol=self._symbol, where=str(path)))
        for line, text, too_long in text_lines(path, _HINT, advance):
            try:
                if too_long:
                    raise TOO_LONG
                if (found := capture.record(line, text)) is not None:
                    yield Imported(found.kind, found.record, line, found.stream, found.market)
            except BadRow as bad:
                yield bad.rejected(line, text)


def _messages(path: Path) -> Generator[bytes]:
    """Yield the received messages of a capture, of any venue."""
    try:
        for _, text, _ in text_lines(path, _HINT):
            match = _LINE.fullmatch(text)
            if match is not None and match["message"] is not None and match["way"] is None:
                yield match["message"]
    except TruncatedInput:
        return  # `read` raises the same error at its line


class _Capture:
    """Converts the lines of one capture; keeps the state that the next line needs."""

    def __init__(self, path: Path, messages: BinanceMessages) -> None:
        self._path = path
        self._messages = messages
        self._market: str | None = ""
        """Market of the newest connection; messages do not name it. Empty before the first, None for another venue."""
        self._begun = self._streaming = False
        self._depths: set[str] = set()
        """Depths of the subscribed depth streams; empty for a stream of deltas."""

    def record(self, line: int, text: bytes) -> ParsedMessage | None:
        """Return the record of a line; None if the line is not a message."""
        match = _LINE.fullmatch(text)
        control = text.startswith(_CONFIGURATION)
        if not self._begun and match is None and not control:
            raise NotThisFormat("is not a raw capture of cryptofeed", where=f"{self._path}:{line}", hint=_HINT)
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
        reconnected = self._streaming and market is not None and market == (self._market or market)
        self._market = market
        self._streaming = True
        if reconnected:
            self._messages.reconnected()
            raise BadRow("reconnect", damaged=False)

    def _message(self, message: bytes, ts: float, url: SplitResult | None, market: str) -> ParsedMessage:
        self._streaming = True
        if _RESPONSES.match(message):
            raise BadRow("no_feed", damaged=False)
        if url is not None:
            symbol = next(iter(parse_qs(url.query).get("symbol", ())), None)
            return self._messages.record(message, ts, requested_symbol=symbol, connection_market=market)
        (depth,) = self._depths if len(self._depths) == 1 else ("",)
        return self._messages.record(message, ts, partial_depth=depth, connection_market=market, may_be_requested=False)

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
