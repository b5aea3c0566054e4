"""What every venue is: pure functions from its JSON to what a cache of books takes, and the facts of its feed."""

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
    """A message of a book.

    Parameters
    ----------
    symbol
        The instrument as the venue spells it.
    message
        What `MDCache.on_book` and `BookStream` take.
    depth
        Levels a side that the subscription covers, where the message or its channel says so; None: not said.
    exchange_us
        The venue's time, microseconds since 1970 UTC; None where the message has none.
    """

    symbol: str
    message: Snapshot | Delta
    depth: int | None = None
    exchange_us: int | None = None


class Alive(NamedTuple):
    """A heartbeat, a pong or the answer to a subscription; ``sequence`` is its number, where frames are counted."""

    sequence: int | None = None


class Other(NamedTuple):
    """A message that is not of a book.

    Parameters
    ----------
    kind
        The venue's name for it (its channel or event), or ``error: <the venue's text>``.
    sequence
        Its number, where the venue counts the frames of a connection.
    """

    kind: str
    sequence: int | None = None


VenueEvent: TypeAlias = BookMessage | Alive | Other

ERROR: Final = "error: "
"""How the `Other.kind` of an error message begins."""

PONGS: Final = frozenset({"ping", "pong"})
"""Frames that are plain words (OKX, Bitget)."""


@dataclass(frozen=True, slots=True)
class Venue:
    """One kind of feed of one venue.

    Parameters
    ----------
    name
        Its key in the registry.
    title
        Its name in the documentation.
    sequence_rule
        A key of `calib.market.stream.sequence.RULES`.
    pushes_snapshots
        Whether a subscription begins with a snapshot in the stream. Otherwise it is fetched beside it.
    rule
        The published rule, in a sentence.
    source
        The address of the page that publishes it.
    read
        ``(message, stream) -> events`` of one decoded JSON object. ``stream`` is the name of the stream, where the
        connection carries only one and its frames do not repeat it (Binance's ``/ws/btcusdt@depth20``).
    body
        ``(answer, symbol, depth) -> body`` for the refresh callback, of the decoded answer to the REST request. Its
        ``update_id`` is None where the ids are not those of the stream.
    url, subscribe, rest
        Where its public feed is, what to send to subscribe to one symbol, and where a snapshot is fetched;
        ``{symbol}`` stands in the last two.
    symbol, depth
        Of the examples in the documentation.
    rest_depth
        Levels a side that the answer to ``rest`` has at most: `MDCacheConfig.max_depth` may not be more.
    ping
        What to send every 15 s, where the venue closes quiet connections.
    checksum
        Makes the checksum of a symbol, where it is needed to know that the book is right: `MDCache` takes it as it is.
    needs_depth
        Whether `feed` must be told the depth of the subscription: levels leave it without a message.
    decode
        Text to JSON.

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
        """What one frame says: pure, the same for the same frame, which is left as it is.

        Parameters
        ----------
        frame
            The text, or the JSON that was made of it already.
        stream
            The stream's name, where the connection carries only one.

        Raises
        ------
        calib.errors.VenueMessageError
            Where it is not JSON, or claims to be of a book and is not.
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
        """Hand one frame to a cache; a warning is logged where the venue sends an error, such as an unknown symbol.

        Parameters
        ----------
        cache
            Its ``sequence_rule`` must be this venue's.
        frame, stream
            As for `parse`.
        connection
            The socket's name, as for `MDCache.on_book`.
        depth
            Levels a side of the subscription, where the frames do not say (`needs_depth`).

        Returns
        -------
        tuple of str
            Symbols of this frame that are out of sync: a new subscription brings the next snapshot. Always empty for
            venues whose snapshots are fetched (not `pushes_snapshots`).

        Raises
        ------
        calib.errors.VenueMessageError
            As `parse`. It is not known which book the frame was of, so all books of the connection are void by then:
            connect again.
        calib.errors.DepthError
            Where the depth is needed and not given.
        """
        if depth is None and self.needs_depth:
            raise DepthError(
                f"{self.title} does not say what becomes of levels that leave the subscribed depth",
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
