"""Cryptofeed's raw captures of Binance, spot and USD-M futures: what came over the wire, a line each.

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
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from calib.errors import NotThisFormat
from calib.importers.base import Advance, Imported, Rejected, unseen
from calib.importers.binance import BadMessage, BinanceMessages
from calib.importers.lines import text_lines

_HINT: Final = "Give the raw captures that cryptofeed made of Binance or Binance futures, plain or .gz"
_LINE: Final = re.compile(
    rb"(?:(?P<url>\w+://\S+) (?P<way><->|<-|->) )?(?P<ts>\d{9,11}(?:\.\d+)?)(?:: (?P<message>.*))?", re.DOTALL
)
_CONFIGURATION: Final = b"configuration: "
_HOSTS: Final = (
    ("Binance", re.compile(r"(?:stream|api\d*|data-stream|data-api)\.binance\.(?:com|us|vision)")),
    ("Binance futures", re.compile(r"(?:fstream|fapi)\.binance\.com")),
)
_ANSWERS: Final = re.compile(rb'\{\s*"(?:result|id|timezone)"')
"""Answers to a subscription, and the list of instruments."""


class Cryptofeed:
    """Book and trades of every symbol in a capture.

    A connection opened again, by the same run or a later one, is counted as ``reconnect``: what the venue sent in
    between is missing from the recording.
    Spot and futures use the same symbols, so a capture that holds both gives only the venue it names first; the lines
    of any other are counted as ``other_venue``.
    """

    name = "cryptofeed"

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        capture = _Capture(path)
        for line, text in text_lines(path, _HINT, advance):
            try:
                if (found := capture.record(line, text)) is not None:
                    yield Imported(*found, line)
            except BadMessage as bad:
                yield Rejected(line, bad.reason, bad.field, text[:500].decode("utf-8", "replace"), bad.damaged)


class _Capture:
    """What must be known of the lines before to read the next one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._messages = BinanceMessages()
        self._venue: str | None = None
        self._ours = True
        """Whether received messages, which name no connection, come from our venue."""
        self._begun = self._streaming = False

    def record(self, line: int, text: bytes) -> tuple[str, dict[str, object]] | None:
        """The feed and record of a line; None of one that is no message."""
        match = _LINE.fullmatch(text)
        control = text.startswith(_CONFIGURATION)
        if not self._begun and match is None and not control:
            raise NotThisFormat("does not begin with a line of a raw capture", where=f"{self._path}:{line}", hint=_HINT)
        self._begun = True
        if control:
            return None
        if match is None or (match["message"] is None) != (match["way"] == b"<->"):
            raise BadMessage("bad_line", "")
        url = (match["url"] or b"").decode("utf-8", "replace")
        ours = self._is_ours(url, line) if url else self._ours
        if match["way"] == b"<->":
            self._connection(ours)
        if match["way"] in (b"<->", b"<-"):
            return None
        if not ours:
            raise BadMessage("other_venue", "", damaged=False)
        return self._message(match["message"], float(match["ts"]), url)

    def _connection(self, ours: bool) -> None:
        again = self._streaming and ours
        self._ours = ours
        self._streaming = True
        if again:
            self._messages.reconnected()
            raise BadMessage("reconnect", "", damaged=False)

    def _message(self, message: bytes, ts: float, url: str) -> tuple[str, dict[str, object]]:
        self._streaming = True
        if _ANSWERS.match(message):
            raise BadMessage("no_feed", "", damaged=False)
        return self._messages.record(message, ts, _queried_symbol(url))

    def _is_ours(self, url: str, line: int) -> bool:
        host = urlsplit(url).hostname or ""
        venue = next((name for name, form in _HOSTS if form.fullmatch(host)), None)
        if self._venue is None and venue is None and not self._streaming:
            raise NotThisFormat(
                f"is a capture of {host}, which is neither Binance nor Binance futures",
                where=f"{self._path}:{line}",
                hint=_HINT,
            )
        self._venue = self._venue or venue
        return venue is not None and venue == self._venue


def _queried_symbol(url: str) -> str | None:
    """The symbol that an HTTP request asked for: a spot snapshot does not name its own."""
    return next(iter(parse_qs(urlsplit(url).query).get("symbol", ())), None)
