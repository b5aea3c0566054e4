"""The interface of venue adapters: pure functions from a venue's JSON to cache input, and the facts of its feed."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import orjson

from calib.errors import DepthError, VenueMessageError
from calib.market.stream.messages import Delta, Snapshot

if TYPE_CHECKING:
    from calib.market.cache.md_cache import MDCache
    from calib.market.stream.checksum import Checksum

_log: Final = logging.getLogger("calib.market.venues")

Json: TypeAlias = dict[str, object]


class BookMessage(NamedTuple):
    """An order book message.

    Parameters
    ----------
    symbol
        The instrument in the venue's spelling.
    message
        The input of `MDCache.on_book` and `BookStream`.
    depth
        Levels per side of the subscription, if the message or its channel states it; else None.
    exchange_us
        The venue's time, microseconds since 1970 UTC; None if the message has none.
    """

    symbol: str
    message: Snapshot | Delta
    depth: int | None = None
    exchange_us: int | None = None


class Alive(NamedTuple):
    """A heartbeat, a pong or a subscription reply; ``sequence`` is its number if the venue numbers frames."""

    sequence: int | None = None


class Other(NamedTuple):
    """A message that does not concern an order book.

    Parameters
    ----------
    kind
        The venue's name for it (its channel or event), or ``error: <the venue's text>``.
    sequence
        Its number if the venue numbers the frames of a connection.
    """

    kind: str
    sequence: int | None = None


VenueEvent: TypeAlias = BookMessage | Alive | Other

ERROR: Final = "error: "
"""Prefix of `Other.kind` for an error message."""

PONGS: Final = frozenset({"ping", "pong"})
"""Frames that are plain text instead of JSON (OKX, Bitget)."""


@dataclass(frozen=True, slots=True)
class Venue:
    """The feed of one venue.

    Parameters
    ----------
    name
        Its key in the registry.
    title
        Its name in the documentation.
    sequence_rule
        A key of `calib.market.stream.sequence.RULES`.
    pushes_snapshots
        Whether a subscription begins with a snapshot in the stream. Otherwise the snapshot is fetched by REST.
    rule
        The published rule, in one sentence.
    source
        The URL of the page that publishes it.
    read
        ``(message, stream) -> events`` for one decoded JSON object. ``stream`` is the name of the stream if the
        connection carries only one and its frames do not name it (Binance's ``/ws/btcusdt@depth20``).
    body
        ``(reply, symbol, depth) -> body`` for the refresh callback, from the decoded REST reply. ``update_id`` is None
        if its ids do not compare with the stream's.
    url, subscribe, rest
        The URL of the public feed, the messages that subscribe to one symbol, and the URL of a snapshot; the last two
        contain ``{symbol}``.
    symbol, depth
        Symbol and depth of the examples in the documentation.
    rest_depth
        Most levels per side in a reply of ``rest``: `MDCacheConfig.max_depth` must not exceed it.
    ping
        A message to send every 15 s if the venue closes idle connections.
    checksum
        Creates the checksum of a symbol, if the book must be verified by it: pass it to `MDCache`.
    needs_depth
        Whether `feed` needs the depth of the subscription: the venue does not report levels that leave it.
    decode
        Decodes a frame to JSON.

    >>> from calib.market.venues import BYBIT
    >>> frame = '{"topic":"orderbook.50.X","type":"delta","ts":1,"data":{"s":"X","b":[["9","0"]],"a":[],"u":7,"seq":1}}'
    >>> BYBIT.parse(frame)[0].message
    Delta(bids=[('9', '0')], asks=[], last_id=7, first_id=None, prev_id=None, checksum=None)
    """

    name: str
    title: str
    sequence_rule: str
    pushes_snapshots: bool
    rule: str
    source: str
    read: Callable[[Json, str], tuple[VenueEvent, ...]]
    body: Callable[[object, str, int], dict[str, object]]
    url: str
    subscribe: tuple[str, ...]
    rest: str
    symbol: str
    depth: int
    rest_depth: int = 1000
    ping: str = ""
    checksum: Callable[[str], Checksum] | None = None
    needs_depth: bool = False
    decode: Callable[[str | bytes], object] = orjson.loads

    def parse(self, frame: str | bytes | Json, stream: str = "") -> tuple[VenueEvent, ...]:
        """Parse one frame; a pure function that does not modify the frame.

        Parameters
        ----------
        frame
            The text, or the decoded JSON.
        stream
            The name of the stream if the connection carries only one.

        Raises
        ------
        calib.errors.VenueMessageError
            If it is not JSON, or an order book message that is not valid.
        """
        message: object = frame
        if isinstance(frame, str | bytes):
            if (frame if isinstance(frame, str) else frame.decode("ascii", "replace")) in PONGS:
                return (Alive(),)
            message = self._decoded(frame)
        if not isinstance(message, dict):
            return (Other(type(message).__name__),)
        try:
            return self.read(message, stream)
        except VenueMessageError as error:
            raise VenueMessageError(error.what, where=f"{self.name}: {error.where}", hint=error.hint) from None

    def feed(
        self,
        cache: MDCache,
        frame: str | bytes | Json,
        *,
        connection: str = "main",
        depth: int | None = None,
        stream: str = "",
    ) -> tuple[str, ...]:
        """Pass one frame to a cache; logs a warning if the venue reports an error, such as an unknown symbol.

        Parameters
        ----------
        cache
            The cache; its ``sequence_rule`` must be this venue's.
        frame, stream
            As for `parse`.
        connection
            The socket's name, as for `MDCache.on_book`.
        depth
            Levels per side of the subscription, if the frames do not state it (`needs_depth`).

        Returns
        -------
        tuple of str
            Symbols of this frame that are out of sync: subscribe again to get a snapshot. Always empty for venues whose
            snapshots are fetched (not `pushes_snapshots`).

        Raises
        ------
        calib.errors.VenueMessageError
            As `parse`. The frame may have belonged to any book, so all books of the connection have been dropped:
            reconnect.
        calib.errors.DepthError
            If the depth is needed and not given.
        """
        if depth is None and self.needs_depth:
            raise DepthError(
                f"{self.title} does not report levels that leave the subscribed depth, so the depth is required",
                where=self.name,
                hint="Give the depth that you subscribed to: feed(..., depth=N)",
            )
        try:
            events = self.parse(frame, stream)
        except VenueMessageError:
            cache.on_disconnect(connection)
            raise
        out_of_sync = []
        for event in events:
            if isinstance(event, BookMessage):
                covered = depth if event.depth is None else event.depth
                cache.on_book(event.symbol, event.message, connection=connection, depth=covered)
                book = cache.stream(event.symbol)
                if self.pushes_snapshots and book is not None and not book.live:
                    out_of_sync.append(event.symbol)
            else:
                if isinstance(event, Other) and event.kind.startswith(ERROR):
                    _log.warning("%s, connection %s: %s", self.name, connection, event.kind)
                cache.on_alive(connection, event.sequence)
        return tuple(dict.fromkeys(out_of_sync))

    def _decoded(self, frame: str | bytes) -> object:
        try:
            return self.decode(frame)
        except (ValueError, RecursionError) as error:
            raise VenueMessageError(
                f"the frame is not JSON: {re.sub(r'[^ -~]', '?', str(error))[:100]}",
                where=self.name,
                hint="Books of this connection cannot be trusted: connect again",
            ) from None
