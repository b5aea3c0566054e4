"""Values on a Redis server, shared by the processes and machines of a desk.

One server or a Sentinel's master; not Redis Cluster, where a script may not access keys of several slots.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
from typing import TYPE_CHECKING, Any, Final, cast

from calib.clock import NS_PER_MS
from calib.smartcache.backends import scripts
from calib.smartcache.backends.base import Begun, Stored, StoreResult, Ticket
from calib.smartcache.backends.redis_link import FAILED, RedisLink
from calib.smartcache.codec import CorruptEntry, PackedEntry, UnstorableValue, encode_value, pack, unpack
from calib.smartcache.entry import STALE_FACTOR, CachedEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from calib.smartcache.entry import Draft, Tag
    from calib.smartcache.keys import KeyFactory
    from calib.smartcache.settings import SmartCacheSettings

_LOG: Final = logging.getLogger("calib.smartcache")
_PATIENT: Final = 4
"""Timeout factor of commands on locks and invalidations: a duplicate compute costs far more than the wait."""
_MAX_PENDING: Final = 10_000
"""Number of pending tags or keys beyond which the whole cache is cleared instead."""
_MS: Final = 1000
_ANY_FENCE: Final = 2**53
"""Greater than every fence."""
_RESULTS: Final = (StoreResult.STORED, StoreResult.INVALIDATED, StoreResult.OVERTAKEN, StoreResult.LOCK_LOST)


class RedisBackend:
    """A back end on Redis.

    Parameters
    ----------
    url
        Address of the server.
    settings
        Lease, timeout and circuit breaker.
    keys
        Names of the keys.
    now_ns, quiet_until
        As in `calib.smartcache.backends.MemoryBackend`.

    Notes
    -----
    An invalidation to which Redis did not respond stays pending: it is sent before the next read, and until it succeeds
    this process reads nothing from Redis. Other processes may still serve the old values; `invalidate` returns None to
    tell the caller.
    """

    name = "redis"

    def __init__(
        self,
        url: str,
        settings: SmartCacheSettings,
        keys: KeyFactory,
        now_ns: Callable[[], int],
        quiet_until: Callable[[int, float, float], int],
    ) -> None:
        self.link = RedisLink(url, settings, now_ns)
        self._keys = keys
        self._now_ns = now_ns
        self._quiet_until = quiet_until
        self._lease_ms = round(settings.lease_s * _MS)
        self._index_ms = round(settings.hard_timeout_s * 2 * _MS)
        self.hot: dict[str, CachedEntry] = {}  # always empty: every read needs a round trip
        self.touch: Callable[[str], object] = self.hot.get
        self._reading: dict[str, asyncio.Future[Any]] = {}
        self._pending_tags: set[Tag] = set()
        self._pending_keys: set[str] = set()
        self._pending_clear = False
        self._corrupt = self._unstorable = 0

    @property
    def connected(self) -> bool:
        return self.link.answered

    async def read(self, cache_key: str) -> CachedEntry | None:
        """Return the entry, or None; concurrent reads of a key share one command."""
        while (
            reading := self._reading.get(cache_key)
        ) is not None and reading.get_loop() is asyncio.get_running_loop():
            answer = await asyncio.shield(reading)  # a cancelled caller must not cancel the shared read
            if answer is not FAILED:
                return cast("CachedEntry | None", answer)
        mine: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._reading[cache_key] = mine
        entry: Any = FAILED
        try:
            entry = await self._read(cache_key)
        finally:
            if self._reading.get(cache_key) is mine:  # after an invalidation it may be a later caller's read
                del self._reading[cache_key]
            mine.set_result(entry)  # FAILED if this caller was cancelled: a waiting caller then reads itself
        return cast("CachedEntry | None", entry)

    async def _read(self, cache_key: str) -> CachedEntry | None:
        asked_ns = self._now_ns()
        if self._has_pending and not await self._flush_pending():
            return None
        answer = await self.link.script(scripts.READ, [self._keys.entry(cache_key)], ())
        return None if answer is FAILED else self._entry(answer, asked_ns)

    async def begin(self, cache_key: str, tags: tuple[Tag, ...], seen_fence: int, *, locked: bool) -> Begun:
        as_of_ns = self._now_ns()
        token = f"{os.getpid()}-{secrets.token_hex(8)}" if locked else ""
        generations = self._generation_keys(cache_key, tags)
        keys = [self._keys.entry(cache_key), self._keys.lock(cache_key), self._keys.fence, *generations]
        answer: Any = FAILED
        if not self._has_pending or await self._flush_pending():
            answer = await self.link.script(
                scripts.BEGIN,
                [*keys, *map(self._keys.tag_index, tags)],
                [token, self._lease_ms, seen_fence, scripts.BOOKKEEPING_MS, len(generations), self._index_ms],
                patience=_PATIENT,
            )
        match answer:
            case [0, int(fence), *seen]:
                return Begun(Ticket(cache_key, tags, as_of_ns, fence, token, tuple(seen)))
            case [1, raw]:
                entry = self._entry(raw, as_of_ns)
                if entry is not None:
                    return Begun(entry=entry)
                if seen_fence < _ANY_FENCE:  # corrupt entry: compute and overwrite it, whatever its fence
                    return await self.begin(cache_key, tags, _ANY_FENCE, locked=locked)
            case [2]:
                return Begun()
            case _ if answer is not FAILED:
                self._corrupt += 1
        return Begun(Ticket(cache_key, tags, as_of_ns, usable=False))

    async def renew(self, ticket: Ticket) -> bool:
        if not ticket.token:
            return True
        answer = await self.link.script(
            scripts.RENEW, [self._keys.lock(ticket.key)], [ticket.token, self._lease_ms], patience=_PATIENT
        )
        return answer is FAILED or bool(answer)  # after a failure the lock may still be held; `store` checks it again

    async def store(self, ticket: Ticket, draft: Draft) -> Stored:
        entry = self._drafted(ticket, draft, draft.value)
        try:
            encoded = encode_value(draft.value)
        except UnstorableValue as error:
            self._unstorable += 1
            if self._unstorable == 1:
                _LOG.warning("the value of %r %s; it is computed at every read", ticket.key, error)
            await self.release(ticket)
            return Stored(StoreResult.UNSTORABLE, entry)
        packed = self._packed(ticket, draft)
        entry = self._drafted(ticket, draft, unpack(pack(packed, encoded)).value)
        life_ms = packed.hard_ms - math.ceil((self._now_ns() - ticket.as_of_ns) / NS_PER_MS)
        if not ticket.usable or life_ms <= 0 or self._has_pending:
            await self.release(ticket)
            return Stored(StoreResult.UNAVAILABLE, entry)
        generations = self._generation_keys(ticket.key, ticket.tags)
        answer = await self.link.script(
            scripts.STORE,
            [self._keys.entry(ticket.key), self._keys.lock(ticket.key), *generations,
             *map(self._keys.tag_index, ticket.tags)],
            [ticket.token, ticket.fence, pack(packed, encoded), life_ms, len(generations), *ticket.generations],
            patience=_PATIENT,
        )  # fmt: skip
        return Stored(
            _RESULTS[answer] if isinstance(answer, int) and 0 <= answer < len(_RESULTS) else StoreResult.UNAVAILABLE,
            entry,
        )

    async def release(self, ticket: Ticket) -> None:
        if ticket.token:
            await self.link.script(scripts.RELEASE, [self._keys.lock(ticket.key)], [ticket.token])

    async def invalidate(self, tags: Sequence[Tag]) -> int | None:
        self._reading.clear()
        answer = await self._invalidated(tags)
        if answer is None:
            self._pending_tags.update(tags)
            self._pending_clear = self._pending_clear or len(self._pending_tags) > _MAX_PENDING
        return answer

    async def delete(self, cache_key: str) -> bool | None:
        self._reading.pop(cache_key, None)
        answer = await self._deleted(cache_key)
        if answer is None:
            self._pending_keys.add(cache_key)
            self._pending_clear = self._pending_clear or len(self._pending_keys) > _MAX_PENDING
        return answer

    async def clear(self) -> None:
        self._reading.clear()
        if not await self._cleared():
            self._pending_clear = True

    def forget(self) -> None:
        """Mark all values on Redis as invalid: they are cleared before the next read."""
        self._pending_clear = True

    def ping(self) -> bool:
        return self.link.ping()

    def counts(self) -> dict[str, Any]:
        return {
            "address": self.link.address,
            "errors": dict(sorted(self.link.errors.items())),
            "corrupt": self._corrupt,
            "unstorable": self._unstorable,
            "breaker": self.link.breaker.state.value,
            "breaker_opened": self.link.breaker.opened,
            "invalidations_owed": len(self._pending_tags) + len(self._pending_keys) + self._pending_clear,
        }

    async def close(self) -> None:
        await self.link.close()

    # --- entries

    def _generation_keys(self, cache_key: str, tags: Sequence[Tag]) -> list[str]:
        return [
            self._keys.all_generation,
            self._keys.generation(cache_key),
            *map(self._keys.tag_generation, tags),
        ]

    def _packed(self, ticket: Ticket, draft: Draft) -> PackedEntry:
        ttl_ms = max(1, round(draft.ttl_s * _MS))
        hard_ms = math.ceil(ttl_ms * STALE_FACTOR)
        return PackedEntry(None, ticket.fence, ttl_ms, hard_ms, round(draft.delta_s * 1_000_000), draft.zone)

    def _drafted(self, ticket: Ticket, draft: Draft, value: Any) -> CachedEntry:
        quiet_ns = self._quiet_until(ticket.as_of_ns, draft.ttl_s, draft.delta_s)
        return CachedEntry(value, ticket.as_of_ns, draft.ttl_s, draft.delta_s, draft.zone, ticket.fence, quiet_ns)

    def _entry(self, answer: Any, asked_ns: int) -> CachedEntry | None:
        """Return the entry of ``ms left|bytes``; its age is its lifetime less the time left, plus the round trip."""
        if answer is None:
            return None
        try:
            left, _, raw = answer.partition(b"|")
            packed, left_ms = unpack(raw), int(left)
            if left_ms < 0:  # -1: a key without expiry, which this module never writes
                raise CorruptEntry("no time to live")
            as_of_ns = asked_ns - round((packed.hard_ms - left_ms) * NS_PER_MS)
        except (CorruptEntry, TypeError, ValueError, AttributeError):
            self._corrupt += 1
            return None
        ttl_s, delta_s = packed.ttl_ms / _MS, packed.delta_us / 1_000_000
        quiet_ns = self._quiet_until(as_of_ns, ttl_s, delta_s)
        return CachedEntry(packed.value, as_of_ns, ttl_s, delta_s, packed.zone, packed.fence, quiet_ns)

    # --- pending invalidations

    @property
    def _has_pending(self) -> bool:
        return self._pending_clear or bool(self._pending_tags) or bool(self._pending_keys)

    async def _flush_pending(self) -> bool:
        """Send the pending invalidations; returns False if Redis still does not respond."""
        if self._pending_clear:
            if not await self._cleared():
                return False
            self._pending_clear = False
        tags = sorted(self._pending_tags)
        if tags:
            if await self._invalidated(tags) is None:
                return False
            self._pending_tags.difference_update(tags)
        for key in sorted(self._pending_keys):
            if await self._deleted(key) is None:
                return False
            self._pending_keys.discard(key)
        return True

    async def _invalidated(self, tags: Sequence[Tag]) -> int | None:
        indexes, generations = map(self._keys.tag_index, tags), map(self._keys.tag_generation, tags)
        answer = await self.link.script(
            scripts.INVALIDATE,
            [self._keys.fence, *indexes, *generations],
            [len(tags), scripts.BOOKKEEPING_MS],
            patience=_PATIENT,
        )
        return answer if isinstance(answer, int) else None

    async def _deleted(self, cache_key: str) -> bool | None:
        keys = self._keys
        answer = await self.link.script(
            scripts.DELETE,
            [keys.entry(cache_key), keys.lock(cache_key), keys.generation(cache_key), keys.fence],
            [scripts.BOOKKEEPING_MS],
        )
        return bool(answer) if isinstance(answer, int) else None

    async def _cleared(self) -> bool:
        """Void every ticket, then delete keys in batches: one large deletion would block the server."""
        kept = {self._keys.all_generation.encode(), self._keys.fence.encode()}

        async def void(client: Any) -> None:
            fence = await client.incr(self._keys.fence)
            await client.pexpire(self._keys.fence, scripts.BOOKKEEPING_MS)
            await client.set(self._keys.all_generation, fence, px=scripts.BOOKKEEPING_MS)

        if await self.link.run(void, patience=_PATIENT) is FAILED:
            return False
        cursor = 0
        while True:

            async def sweep(client: Any, cursor: int = cursor) -> int:
                following, found = await client.scan(cursor, match=f"{self._keys.prefix}*", count=1000)
                doomed = [key for key in found if key not in kept]
                if doomed:
                    await client.unlink(*doomed)
                return int(following)

            answer = await self.link.run(sweep, patience=_PATIENT)
            if answer is FAILED:
                return False
            cursor = answer
            if cursor == 0:
                return True
