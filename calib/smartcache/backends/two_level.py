"""Memory in front of Redis: what was read or stored in the last moment, at most 1 s, is not asked for again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from calib.clock import NS_PER_S
from calib.smartcache.backends.base import Begun, Stored, StoreResult
from calib.smartcache.backends.memory import MemoryBackend
from calib.smartcache.entry import hit_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from calib.smartcache.backends.base import Ticket
    from calib.smartcache.backends.redis import RedisBackend
    from calib.smartcache.entry import CachedEntry, Draft, Tag


class TwoLevelBackend:
    """Redis with a short memory. An invalidation by this process is seen at once, one by another within that time.

    Parameters
    ----------
    far
        The Redis back end.
    local_ttl_s
        How long an entry is kept here, s; at most 1.
    now_ns
        Monotonic time.
    max_entries
        Entries kept here.
    """

    name = "two_level"

    def __init__(self, far: RedisBackend, local_ttl_s: float, now_ns: Callable[[], int], max_entries: int) -> None:
        self.far = far
        self._local_ns = round(local_ttl_s * NS_PER_S)
        self._now_ns = now_ns
        self._near = MemoryBackend(now_ns, lambda as_of_ns, ttl_s, delta_s: as_of_ns, max_entries)
        self.hot = self._near.hot
        self.touch = self._near.touch
        self._until_ns: dict[str, int] = {}
        self._epoch = 0

    @property
    def connected(self) -> bool:
        return self.far.connected

    def _peek(self, cache_key: str) -> CachedEntry | None:
        until_ns = self._until_ns.get(cache_key)
        if until_ns is None:
            return None
        if self._now_ns() >= until_ns:
            self._drop(cache_key)
            return None
        return self._near.peek(cache_key)

    async def read(self, cache_key: str) -> CachedEntry | None:
        entry = self._peek(cache_key)
        if entry is not None:
            return entry
        epoch = self._epoch
        entry = await self.far.read(cache_key)
        if entry is not None and epoch == self._epoch:  # else an invalidation passed this answer on its way
            self._keep(cache_key, entry)
        return entry

    async def begin(self, cache_key: str, tags: tuple[Tag, ...], seen_fence: int, *, locked: bool) -> Begun:
        epoch = self._epoch
        begun = await self.far.begin(cache_key, tags, seen_fence, locked=locked)
        if begun.entry is not None and epoch == self._epoch:
            self._keep(cache_key, begun.entry)
        return begun

    async def renew(self, ticket: Ticket) -> bool:
        return await self.far.renew(ticket)

    async def store(self, ticket: Ticket, draft: Draft) -> Stored:
        epoch = self._epoch
        stored = await self.far.store(ticket, draft)
        if stored.result is StoreResult.STORED and epoch == self._epoch:
            self._keep(ticket.key, stored.entry)
        return stored

    async def release(self, ticket: Ticket) -> None:
        await self.far.release(ticket)

    async def invalidate(self, tags: Sequence[Tag]) -> int | None:
        """The memory goes as a whole: it is a second's worth, and it does not know every tag of what it read."""
        self._forget_near()
        return await self.far.invalidate(tags)

    async def delete(self, cache_key: str) -> bool | None:
        self._epoch += 1
        self._drop(cache_key)
        return await self.far.delete(cache_key)

    async def clear(self) -> None:
        self._forget_near()
        await self.far.clear()

    def forget(self) -> None:
        self._forget_near()
        self.far.forget()

    def ping(self) -> bool:
        return self.far.ping()

    def counts(self) -> dict[str, Any]:
        return self.far.counts() | {"local_entries": len(self._near)}

    async def close(self) -> None:
        self._forget_near()
        await self.far.close()

    def _keep(self, cache_key: str, entry: CachedEntry) -> None:
        present = self._near.peek(cache_key)
        if present is not None and present.fence > entry.fence:
            return
        until_ns = self._now_ns() + self._local_ns
        near = replace(
            entry,
            quiet_until_ns=min(entry.quiet_until_ns, until_ns),
            hit_metadata=hit_metadata(self.name, entry.zone, entry.ttl_s),
        )
        self._near.put(cache_key, near, ())
        self._until_ns[cache_key] = until_ns
        if len(self._until_ns) > 2 * len(self._near):  # the memory evicts by itself
            self._until_ns = {key: end for key, end in self._until_ns.items() if self._near.holds(key)}

    def _drop(self, cache_key: str) -> None:
        self._until_ns.pop(cache_key, None)
        self._near.drop(cache_key)

    def _forget_near(self) -> None:
        self._epoch += 1
        self._until_ns.clear()
        self._near.forget()
