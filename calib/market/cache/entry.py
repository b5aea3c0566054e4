"""The cache entry of one symbol, and the metadata of a read."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from calib.clock import NS_PER_MS
from calib.market.book.order_book import BookView, OrderBook
from calib.market.cache.freshness import Facts, TrustLevel
from calib.market.stream.book_stream import BookStream

if TYPE_CHECKING:
    from collections.abc import Mapping

_VIEWS = 8
"""Views of different depth kept at a time: a bot uses two or three depths."""


class MDCacheMeta(NamedTuple):
    """How a read was answered.

    Parameters
    ----------
    cache_hit
        Whether the book came from the cache (status ``fresh`` or ``stale``).
    age_ms
        Age of the book, ms: since the last heartbeat of its connection, or since the start of the request for it.
    used_stale
        Whether the book was older than its use case allows.
    depth_miss
        Whether a cached book was not deep enough.
    sequence_gap
        Whether ``expected_update_id`` and the cached book did not match.
    status
        ``fresh``, ``stale``, ``coalesced`` (waited for a refresh that another read started), ``miss`` (waited for its
        own refresh), ``withheld``, ``unavailable``, ``direct`` (the cache is disabled).
    source
        ``stream`` or ``rest``; None if there is no book.
    update_id
        The update id of the book; None if there is none.
    cached_depth
        Depth of the cached book at the time of the read; None if there was none.
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
        """By position like any tuple, or by name: ``meta["cache_hit"]``.

        Raises
        ------
        KeyError
            If there is no field of that name.
        """
        if key.__class__ is not str:
            return tuple.__getitem__(self, key)
        if key not in MDCacheMeta._fields:
            raise KeyError(key)
        return getattr(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        """By name, like a mapping; ``default`` if there is no field of that name.

        >>> meta = MDCacheMeta(True, 12.5, False, False, False, "fresh", "stream", 7, 50)
        >>> meta["status"], meta[1], meta.get("nosuch", 0)
        ('fresh', 12.5, 0)
        """
        return getattr(self, key) if key in MDCacheMeta._fields else default


class LastSeen:
    """When a book was last known to be current, monotonic ns. Books of a stream use their `Connection` instead."""

    __slots__ = ("alive_ns",)

    def __init__(self, alive_ns: int) -> None:
        self.alive_ns = alive_ns


class Bounds(NamedTuple):
    """Ages in ns, by use case, up to which an entry is fresh, and up to which it may be served as stale."""

    fresh_ns: Mapping[str, int]
    stale_ns: Mapping[str, int]


class Reads:
    """State of a symbol for the fast paths of a read: two counters, and whether a refresh runs."""

    __slots__ = ("fresh", "refreshing", "stale")

    def __init__(self) -> None:
        self.fresh = 0
        self.stale = 0
        self.refreshing = False


class MDCacheEntry:
    """A cached book with its age, depth and trust level.

    Readers only get its views, which are immutable: no reader can change what the next one reads.

    Parameters
    ----------
    book
        A live book that the stream updates, or a frozen one.
    depth
        Requested levels per side, even if the venue had fewer. For a book of a stream, the attribute is the known
        depth at the last view or `facts`.
    trust
        How far the book can be trusted.
    last_seen
        The time from which its age counts.
    bounds
        Ages up to which it is fresh and may be served as stale, by use case; they depend on ``trust``.
    changed_ns
        When it last changed, monotonic ns.
    stream
        The stream that maintains the book and knows its depth; None for a callback's body.

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
        "last_seen",
        "reads",
        "source",
        "stale_ns",
        "stream",
        "trust",
        "update_id",
        "views",
    )

    def __init__(
        self,
        book: OrderBook | BookView,
        depth: int,
        trust: TrustLevel,
        last_seen: LastSeen,
        bounds: Bounds,
        changed_ns: int,
        reads: Reads | None = None,
        stream: BookStream | None = None,
    ) -> None:
        self._book = book
        self._full_depth = self.depth = depth
        self.stream = stream
        self.last_seen = last_seen
        self.changed_ns = changed_ns
        self.update_id = book.update_id
        self.views: dict[int, BookView] = {}
        self.reads = Reads() if reads is None else reads
        self.set_trust(trust, bounds)

    def set_trust(self, trust: TrustLevel, bounds: Bounds) -> None:
        """Set the trust level and its bounds."""
        self.trust = trust
        self.source = trust.source.value
        self.fresh_ns, self.stale_ns = bounds

    def changed(self, now_ns: int) -> None:
        """Record a change of the live book; drops the cached views."""
        self.changed_ns = now_ns
        self.update_id = self._book.update_id
        if self.views:
            self.views = {}  # a new dict: a reader may still hold the old one

    def age_ns(self, now_ns: int) -> int:
        """Age, ns, never negative."""
        return max(0, now_ns - self.last_seen.alive_ns)

    def age_ms(self, now_ns: int) -> float:
        """Age, ms."""
        return self.age_ns(now_ns) / NS_PER_MS

    def change_age_ms(self, now_ns: int) -> float:
        """Time since the last change, ms: large in a quiet market, without the book being stale."""
        return max(0, now_ns - self.changed_ns) / NS_PER_MS

    def is_stale(self, now_ns: int, ttl_ms: float) -> bool:
        """Whether its age exceeds ``ttl_ms``; an equal age does not."""
        return self.age_ms(now_ns) > ttl_ms

    @property
    def pulse(self) -> LastSeen:
        """The old name of `last_seen`; removed in 0.3."""
        warnings.warn("MDCacheEntry.pulse is now last_seen", DeprecationWarning, stacklevel=2)
        return self.last_seen

    @property
    def standing(self) -> TrustLevel:
        """The old name of `trust`; removed in 0.3."""
        warnings.warn("MDCacheEntry.standing is now trust", DeprecationWarning, stacklevel=2)
        return self.trust

    @property
    def symbol(self) -> str:
        """The symbol of the book."""
        return self._book.symbol

    @property
    def orderbook(self) -> BookView | None:
        """The book at its known depth, frozen."""
        return self.view(self.known_depth())

    @property
    def timestamp_ms(self) -> float:
        """The monotonic time from which its age counts, ms."""
        return self.last_seen.alive_ns / NS_PER_MS

    @property
    def one_sided(self) -> bool:
        """Whether a side is empty."""
        book = self._book
        return book.best_bid is None or book.best_ask is None

    def known_depth(self) -> int:
        """Levels per side that may be read now."""
        stream = self.stream
        if stream is not None:
            self.depth = min(self._full_depth, stream.known_depth)
        return self.depth

    def facts(self, now_ns: int) -> Facts:
        """The input of `decide`."""
        depth = self.known_depth()
        verified = self.stream is not None
        return Facts(self.age_ns(now_ns), self.trust, depth, self.update_id, verified, self.one_sided)

    def view(self, depth: int) -> BookView | None:
        """The best ``depth`` levels, created once per change and depth; None if the book is not known that deep."""
        view = self.views.get(depth)
        return self._freeze(depth) if view is None else view

    def _freeze(self, depth: int) -> BookView | None:
        if depth.__class__ is not int or not 1 <= depth <= self.known_depth():
            return None
        if len(self.views) >= _VIEWS:
            self.views = {}
        book = self._book
        view = book.view(depth) if isinstance(book, OrderBook) else cut(book, depth)
        if view.bids and view.asks:  # fast paths read `views` without a check: no one-sided view may be in it
            self.views[depth] = view
        return view


def cut(book: BookView, depth: int) -> BookView:
    """Return the best ``depth`` levels of a frozen book."""
    return (
        book
        if depth == book.depth
        else BookView(book.symbol, book.bids[:depth], book.asks[:depth], book.update_id, depth)
    )
