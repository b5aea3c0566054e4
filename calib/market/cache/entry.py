"""What the cache holds of one symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from calib.clock import NS_PER_MS
from calib.market.book.order_book import BookView, OrderBook
from calib.market.cache.freshness import Facts, TrustLevel
from calib.market.stream.book_stream import BookStream

if TYPE_CHECKING:
    from collections.abc import Mapping

_VIEWS = 8
"""Depths kept frozen at a time: a bot uses two or three."""


class MDCacheMeta(NamedTuple):
    """How the cache came to its answer.

    Parameters
    ----------
    cache_hit
        Whether the book came out of the cache (status ``fresh`` or ``stale``).
    age_ms
        Age of the book: since its connection's last sign of life, or since the request that brought it began; ms.
    used_stale
        Whether it was past the freshness of its use case.
    depth_miss
        Whether a cached book was too shallow.
    sequence_gap
        Whether ``expected_update_id`` and the cached book did not go together.
    status
        ``fresh``, ``stale``, ``coalesced`` (waited for a refresh that another read started), ``miss`` (waited for one
        of its own), ``withheld``, ``unavailable``, ``direct`` (the cache is switched off).
    source
        ``stream`` or ``rest``; None without a book.
    update_id
        Of the book; None where there is none.
    cached_depth
        Depth of the book that the read found in the cache; None where it found none.
    """

    cache_hit: bool
    age_ms: float | None
    used_stale: bool
    depth_miss: bool
    sequence_gap: bool
    status: str
    source: str | None
    update_id: int | None
    cached_depth: int | None

    def __getitem__(self, key: Any) -> Any:
        """By position as every tuple, or by name: ``meta["cache_hit"]``.

        Raises
        ------
        KeyError
            For a name that there is none of.
        """
        if key.__class__ is not str:
            return tuple.__getitem__(self, key)
        if key not in MDCacheMeta._fields:
            raise KeyError(key)
        return getattr(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        """By name, as a mapping would; ``default`` for a name that there is none of.

        >>> meta = MDCacheMeta(True, 12.5, False, False, False, "fresh", "stream", 7, 50)
        >>> meta["status"], meta[1], meta.get("nosuch", 0)
        ('fresh', 12.5, 0)
        """
        return getattr(self, key) if key in MDCacheMeta._fields else default


class LastSeen:
    """When a book was last known to be current, monotonic ns. A stream's books have their `Connection` for it."""

    __slots__ = ("alive_ns",)

    def __init__(self, alive_ns: int) -> None:
        self.alive_ns = alive_ns


class Bounds(NamedTuple):
    """Ages, in ns and by use case, up to which an entry is fresh, and up to which it may be served as stale."""

    fresh_ns: Mapping[str, int]
    stale_ns: Mapping[str, int]


class Reads:
    """What the fast paths of reading share per symbol: two counts, and whether a refresh runs."""

    __slots__ = ("fresh", "refreshing", "stale")

    def __init__(self) -> None:
        self.fresh = 0
        self.stale = 0
        self.refreshing = False


class MDCacheEntry:
    """A cached book with what the rules must know of it.

    Readers only ever get its views, which are immutable: no reader can change what the next one sees.

    Parameters
    ----------
    book
        A live book that the stream changes, or a frozen one.
    depth
        Levels a side that were asked for, even if the venue had fewer. Of a stream's book the attribute is what is
        known of it, as of the last view or `facts`.
    standing
        What may be believed of it.
    pulse
        Its age counts from there.
    bounds
        Ages up to which it is fresh, and may be served as stale, by use case; decided by ``standing``.
    changed_ns
        When it last changed, monotonic ns.
    stream
        Which builds the book, None where a callback brought it: it knows how deep the book is known.

    >>> book = BookView("X", ((99.0, 1.0),), ((101.0, 2.0),), 7, 50)
    >>> entry = MDCacheEntry(book, 50, TrustLevel.LIVE, LastSeen(0), Bounds({}, {}), 0)
    >>> entry.age_ms(now_ns=70 * NS_PER_MS), entry.is_stale(70 * NS_PER_MS, ttl_ms=60), entry.update_id
    (70.0, True, 7)
    """

    __slots__ = (
        "_book",
        "_full_depth",
        "changed_ns",
        "depth",
        "fresh_ns",
        "pulse",
        "reads",
        "source",
        "stale_ns",
        "standing",
        "stream",
        "update_id",
        "views",
    )

    def __init__(
        self,
        book: OrderBook | BookView,
        depth: int,
        standing: TrustLevel,
        pulse: LastSeen,
        bounds: Bounds,
        changed_ns: int,
        reads: Reads | None = None,
        stream: BookStream | None = None,
    ) -> None:
        self._book = book
        self._full_depth = self.depth = depth
        self.stream = stream
        self.pulse = pulse
        self.changed_ns = changed_ns
        self.update_id = book.update_id
        self.views: dict[int, BookView] = {}
        self.reads = Reads() if reads is None else reads
        self.stand(standing, bounds)

    def stand(self, standing: TrustLevel, bounds: Bounds) -> None:
        """What may be believed of it has changed, and with it its bounds."""
        self.standing = standing
        self.source = standing.source.value
        self.fresh_ns, self.stale_ns = bounds

    def changed(self, now_ns: int) -> None:
        """The live book has changed: the views of before are the past."""
        self.changed_ns = now_ns
        self.update_id = self._book.update_id
        if self.views:
            self.views = {}  # a new one: a reader that holds the old may finish with it

    def age_ns(self, now_ns: int) -> int:
        """Age, never negative."""
        return max(0, now_ns - self.pulse.alive_ns)

    def age_ms(self, now_ns: int) -> float:
        """Age in ms."""
        return self.age_ns(now_ns) / NS_PER_MS

    def change_age_ms(self, now_ns: int) -> float:
        """Time since the last change, ms: a quiet market is no stale book."""
        return max(0, now_ns - self.changed_ns) / NS_PER_MS

    def is_stale(self, now_ns: int, ttl_ms: float) -> bool:
        """Whether it is older than ``ttl_ms``; exactly as old is not."""
        return self.age_ms(now_ns) > ttl_ms

    @property
    def symbol(self) -> str:
        """Whose book it is."""
        return self._book.symbol

    @property
    def orderbook(self) -> BookView | None:
        """The book as deep as it is known, frozen."""
        return self.view(self.known_depth())

    @property
    def timestamp_ms(self) -> float:
        """The monotonic time from which its age counts, ms."""
        return self.pulse.alive_ns / NS_PER_MS

    @property
    def one_sided(self) -> bool:
        """Whether a side of it is empty."""
        book = self._book
        return book.best_bid is None or book.best_ask is None

    def known_depth(self) -> int:
        """Levels a side that may be read now."""
        stream = self.stream
        if stream is not None:
            self.depth = min(self._full_depth, stream.known_depth)
        return self.depth

    def facts(self, now_ns: int) -> Facts:
        """What the rules ask."""
        depth = self.known_depth()
        verified = self.stream is not None
        return Facts(self.age_ns(now_ns), self.standing, depth, self.update_id, verified, self.one_sided)

    def view(self, depth: int) -> BookView | None:
        """The best ``depth`` levels, frozen once per change and depth; None where it is not known that deep."""
        view = self.views.get(depth)
        return self._freeze(depth) if view is None else view

    def _freeze(self, depth: int) -> BookView | None:
        if depth.__class__ is not int or not 1 <= depth <= self.known_depth():
            return None
        if len(self.views) >= _VIEWS:
            self.views = {}
        book = self._book
        view = book.view(depth) if isinstance(book, OrderBook) else cut(book, depth)
        if view.bids and view.asks:  # the fast paths look here and nowhere else: they must not find a half book
            self.views[depth] = view
        return view


def cut(book: BookView, depth: int) -> BookView:
    """The best ``depth`` levels of a frozen book."""
    return (
        book
        if depth == book.depth
        else BookView(book.symbol, book.bids[:depth], book.asks[:depth], book.update_id, depth)
    )
