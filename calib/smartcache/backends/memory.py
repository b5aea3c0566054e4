"""Values in the memory of the process: bounded, with LRU eviction."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from calib.smartcache.backends.base import Begun, Stored, StoreResult, Ticket
from calib.smartcache.entry import CachedEntry, hit_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from calib.smartcache.entry import Draft, Tag


class MemoryBackend:
    """A back end for one event loop. Values are not copied: readers must not change them.

    Parameters
    ----------
    now_ns
        Returns the monotonic time, ns.
    quiet_until
        Returns ``quiet_until_ns`` of an entry, given ``(as_of_ns, ttl_s, delta_s)``.
    max_entries
        Maximum number of values.
    """

    name = "memory"

    def __init__(
        self, now_ns: Callable[[], int], quiet_until: Callable[[int, float, float], int], max_entries: int
    ) -> None:
        self._now_ns = now_ns
        self._quiet_until = quiet_until
        self._max_entries = max_entries
        self._entries = self.hot = OrderedDict[str, CachedEntry]()
        self.touch: Callable[[str], object] = self._entries.move_to_end
        self._tags: dict[str, tuple[Tag, ...]] = {}
        self._keys: dict[Tag, set[str]] = {}
        self._open: dict[int, Ticket] = {}
        self._fence = 0
        self._evicted = 0

    @property
    def connected(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self._entries)

    def peek(self, cache_key: str) -> CachedEntry | None:
        entry = self._entries.get(cache_key)
        if entry is not None:
            self.touch(cache_key)
        return entry

    async def read(self, cache_key: str) -> CachedEntry | None:
        entry = self.peek(cache_key)
        if entry is not None and self._now_ns() >= entry.dead_ns:
            self.drop(cache_key)
            return None
        return entry

    async def begin(self, cache_key: str, tags: tuple[Tag, ...], seen_fence: int, *, locked: bool) -> Begun:
        """Begin a compute without a lock: single flight suffices, as no other process uses this memory."""
        entry = self._entries.get(cache_key) if locked else None
        if entry is not None and entry.fence > seen_fence:
            return Begun(entry=entry)
        self._fence += 1
        ticket = Ticket(cache_key, tags, self._now_ns(), self._fence)
        self._open[ticket.fence] = ticket
        return Begun(ticket)

    async def renew(self, ticket: Ticket) -> bool:
        return ticket.usable

    async def store(self, ticket: Ticket, draft: Draft) -> Stored:
        entry = self.entry_of(ticket, draft, draft.value)
        self._open.pop(ticket.fence, None)
        if not ticket.usable:
            return Stored(StoreResult.INVALIDATED, entry)
        present = self._entries.get(ticket.key)
        if present is not None and present.fence > ticket.fence:
            return Stored(StoreResult.OVERTAKEN, entry)
        self.put(ticket.key, entry, ticket.tags)
        return Stored(StoreResult.STORED, entry)

    async def release(self, ticket: Ticket) -> None:
        self._open.pop(ticket.fence, None)

    async def invalidate(self, tags: Sequence[Tag]) -> int | None:
        return self.drop_tags(tags)

    async def delete(self, cache_key: str) -> bool | None:
        for ticket in self._open.values():
            if ticket.key == cache_key:
                ticket.usable = False
        return self.drop(cache_key)

    async def clear(self) -> None:
        self.forget()

    def forget(self) -> None:
        for ticket in list(self._open.values()):
            ticket.usable = False
        self._entries.clear()
        self._tags.clear()
        self._keys.clear()

    def ping(self) -> bool:
        return True

    def counts(self) -> dict[str, Any]:
        return {"entries": len(self._entries), "evicted": self._evicted}

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    def entry_of(self, ticket: Ticket, draft: Draft, value: Any) -> CachedEntry:
        """Return the entry of a draft."""
        quiet_ns = self._quiet_until(ticket.as_of_ns, draft.ttl_s, draft.delta_s)
        metadata = hit_metadata(self.name, draft.zone, draft.ttl_s)
        return CachedEntry(
            value, ticket.as_of_ns, draft.ttl_s, draft.delta_s, draft.zone, ticket.fence, quiet_ns, metadata
        )

    def put(self, cache_key: str, entry: CachedEntry, tags: tuple[Tag, ...]) -> None:
        """Store an entry; beyond ``max_entries`` the least recently used one is evicted."""
        if cache_key in self._tags:
            self._untag(cache_key)
        self._entries[cache_key] = entry
        self._entries.move_to_end(cache_key)
        if tags:
            self._tags[cache_key] = tags
            for tag in tags:
                self._keys.setdefault(tag, set()).add(cache_key)
        while len(self._entries) > self._max_entries:
            self.drop(next(iter(self._entries)))
            self._evicted += 1

    def drop_tags(self, tags: Sequence[Tag]) -> int:
        """Drop the keys with one of the tags, and void the open tickets of such keys."""
        wanted = frozenset(tags)
        for ticket in self._open.values():
            if not wanted.isdisjoint(ticket.tags):
                ticket.usable = False
        keys = {key for tag in wanted for key in self._keys.get(tag, ())}
        return sum(self.drop(key) for key in sorted(keys))

    def holds(self, cache_key: str) -> bool:
        """Return whether there is an entry, without marking it as used."""
        return cache_key in self._entries

    def drop(self, cache_key: str) -> bool:
        """Drop an entry; returns whether there was one."""
        if cache_key in self._tags:
            self._untag(cache_key)
        return self._entries.pop(cache_key, None) is not None

    def _untag(self, cache_key: str) -> None:
        for tag in self._tags.pop(cache_key):
            keys = self._keys.get(tag)
            if keys is not None:
                keys.discard(cache_key)
                if not keys:
                    del self._keys[tag]
