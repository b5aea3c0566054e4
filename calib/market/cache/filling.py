"""How books that a callback brings get into the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calib.clock import NS_PER_MS
from calib.errors import InvalidSnapshot
from calib.market.cache.entry import LastSeen, MDCacheEntry
from calib.market.cache.freshness import Source, TrustLevel
from calib.market.cache.snapshot_payload import read_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from calib.market.cache.entry_table import EntryTable
    from calib.market.cache.ingest import Ingest
    from calib.market.cache.refresh import RefreshResult


class Filling:
    """Takes what the refreshes bring; the host of all of them.

    Parameters
    ----------
    store
        Where the books stand.
    ingest
        The streams, which may need a body as their snapshot.
    now_ns
        Monotonic time.
    default_source
        Of bodies that do not say where they are from.
    """

    __slots__ = ("_default_source", "_ingest", "_now_ns", "_store")

    def __init__(self, store: EntryTable, ingest: Ingest, now_ns: Callable[[], int], default_source: Source) -> None:
        self._store = store
        self._ingest = ingest
        self._now_ns = now_ns
        self._default_source = default_source

    def now_ns(self) -> int:
        """Monotonic time."""
        return self._now_ns()

    def refresh_started(self, symbol: str) -> None:
        """A refresh runs: stale reads need not start one."""
        self._store.states[symbol].ledger.reads.refreshing = True

    def begins(self, symbol: str) -> int:
        """A request is about to be made: the stream's epoch goes with it."""
        return self._ingest.epoch(self._store.states[symbol])

    def accept(self, symbol: str, arrival: RefreshResult) -> MDCacheEntry | None:
        """Check and store a body; None: begin again."""
        view, source = read_body(symbol, arrival.body, arrival.depth, self._default_source)
        state = self._store.states[symbol]  # it is there: a symbol whose refresh runs is not evicted
        now_ns = self._now_ns()
        if state.failed(now_ns):
            raise InvalidSnapshot(f"{symbol}: its stream has failed, nothing is served", hint="Connect it anew")
        if self._ingest.unmet(state, arrival):
            return None
        if (entry := self._ingest.offer(state, view, arrival, now_ns)) is None:
            standing = TrustLevel.REST if source is Source.REST else TrustLevel.LIVE
            entry = MDCacheEntry(
                view,
                arrival.depth,
                standing,
                LastSeen(arrival.began_ns),
                self._store.bounds[standing],
                now_ns,
                state.ledger.reads,
            )
            cached = self._store.entries.get(symbol)
            if cached is not None and cached is not state.live and _rewinds(cached.update_id, view.update_id):
                # A lagging copy, or a venue that began to number anew: nobody can tell. Begin again from nothing.
                self._store.drop(state, "rewind")
                return None
            if state.live is None:
                self._store.put(state, entry)
        state.pause.succeeded()
        self._store.ledger.refreshed(symbol, state.ledger, (now_ns - arrival.began_ns) / NS_PER_MS)
        return entry

    def refresh_failed(self, symbol: str, error: BaseException | str) -> None:
        """Count a failed refresh, and pause."""
        state = self._store.states[symbol]
        state.ledger.failures += 1
        state.ledger.last_error = error if isinstance(error, str) else repr(error)
        state.pause.failed(self._now_ns())
        self._ingest.fetch_failed(state)

    def refresh_ended(self, symbol: str) -> None:
        """Nothing runs for that symbol any more: it may be evicted."""
        self._store.states[symbol].ledger.reads.refreshing = False
        self._store.evict()


def _rewinds(cached: int | None, brought: int | None) -> bool:
    return cached is not None and brought is not None and brought < cached
