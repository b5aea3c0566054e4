"""A local cache in front of Redis: values read or stored within ``local_ttl_s`` (at most 1 s) need no round trip."""

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
    """Redis with a local cache. An invalidation by another process takes effect within ``local_ttl_s``.

    Parameters
    ----------
    remote
        The Redis back end.
    local_ttl_s
        TTL of local entries, s; at most 1.
    now_ns
        Returns the monotonic time, ns.
    max_entries
        Maximum number of local entries.
    """

    name = "two_level"

    def __init__(self, remote: RedisBackend, local_ttl_s: float, now_ns: Callable[[], int], max_entries: int) -> None:
        self.remote = remote
        self._local_ns = round(local_ttl_s * NS_PER_S)
        self._now_ns = now_ns
        self._local = MemoryBackend(now_ns, lambda as_of_ns, ttl_s, delta_s: as_of_ns, max_entries)
        self.hot = self._local.hot
        self.touch = self._local.touch
        self._until_ns: dict[str, int] = {}
        self._epoch = 0

    @property
    def connected(self) -> bool:
        return self.remote.connected

    def _peek(self, cache_key: str) -> CachedEntry | None:
        until_ns = self._until_ns.get(cache_key)
        if until_ns is None:
            return None
        if self._now_ns() >= until_ns:
            self._drop(cache_key)
            return None
        return self._local.peek(cache_key)

    async def read(self, cache_key: str) -> CachedEntry | None:
        entry = self._peek(cache_key)
        if entry is not None:
            return entry
        epoch = self._epoch
        entry = await self.remote.read(cache_key)
        if entry is not None and epoch == self._epoch:  # else it was invalidated while the reply was on its way
            self._keep(cache_key, entry)
        return entry

    async def begin(self, cache_key: str, tags: tuple[Tag, ...], seen_fence: int, *, locked: bool) -> Begun:
        epoch = self._epoch
        begun = await self.remote.begin(cache_key, tags, seen_fence, locked=locked)
        if begun.entry is not None and epoch == self._epoch:
            self._keep(cache_key, begun.entry)
        return begun

    async def renew(self, ticket: Ticket) -> bool:
        return await self.remote.renew(ticket)

    async def store(self, ticket: Ticket, draft: Draft) -> Stored:
        epoch = self._epoch
        stored = await self.remote.store(ticket, draft)
        if stored.result is StoreResult.STORED and epoch == self._epoch:
            self._keep(ticket.key, stored.entry)
        return stored

    async def release(self, ticket: Ticket) -> None:
        await self.remote.release(ticket)

    async def invalidate(self, tags: Sequence[Tag]) -> int | None:
        """Invalidate on Redis and clear the whole local cache, which lacks the tags of the values that it read."""
        self._clear_local()
        return await self.remote.invalidate(tags)

    async def delete(self, cache_key: str) -> bool | None:
        self._epoch += 1
        self._drop(cache_key)
        return await self.remote.delete(cache_key)

    async def clear(self) -> None:
        self._clear_local()
        await self.remote.clear()

    def forget(self) -> None:
        self._clear_local()
        self.remote.forget()

    def ping(self) -> bool:
        return self.remote.ping()

    def counts(self) -> dict[str, Any]:
        return self.remote.counts() | {"local_entries": len(self._local)}

    async def close(self) -> None:
        self._clear_local()
        await self.remote.close()

    def _keep(self, cache_key: str, entry: CachedEntry) -> None:
        present = self._local.peek(cache_key)
        if present is not None and present.fence > entry.fence:
            return
        until_ns = self._now_ns() + self._local_ns
        local = replace(
            entry,
            quiet_until_ns=min(entry.quiet_until_ns, until_ns),
            hit_metadata=hit_metadata(self.name, entry.zone, entry.ttl_s),
        )
        self._local.put(cache_key, local, ())
        self._until_ns[cache_key] = until_ns
        if len(self._until_ns) > 2 * len(self._local):  # remove the keys that the local LRU evicted
            self._until_ns = {key: end for key, end in self._until_ns.items() if self._local.holds(key)}

    def _drop(self, cache_key: str) -> None:
        self._until_ns.pop(cache_key, None)
        self._local.drop(cache_key)

    def _clear_local(self) -> None:
        self._epoch += 1
        self._until_ns.clear()
        self._local.forget()
