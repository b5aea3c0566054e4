"""A cache of static data of an exchange that enforces the policy's age limit."""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic

from calib.clock import NS_PER_S, Clock
from calib.errors import ConfigError, StaticDataUnavailable
from calib.policy.data_types import CacheClass, lookup
from calib.policy.default import default_monitor
from calib.policy.protocols import CacheCounts, CachePolicy
from calib.policy.static.values import CachedSlot, CachedValue, T

_RETRY_S: Final = 1.0
"""Pause after the first failed request, s; it doubles with each failure."""
_RETRY_CAP_S: Final = 30.0
_ANALYTIC_REFRESH_S: Final = 3600.0


class StaticDataCache(Generic[T]):
    """Caches values by key, refreshes them periodically and refuses values past the policy's limit.

    A value is served up to the limit of its data type; its age counts from the start of the request that fetched it. It
    is refreshed in the background before that, with one request per key at a time. If refreshes fail, the old value is
    served within the limit. Keys that are no longer read are not refreshed. For one event loop.

    Parameters
    ----------
    data_type
        A static or analytic name of the policy's table.
    fetch
        ``async (key) -> value``.
    refresh_s
        Refresh interval, s, > 0 and at most the limit; default: half of the limit, 3600 for analytic data.
    jitter_ratio
        Maximum random share of the interval by which a refresh is earlier, so that bots do not request at once. 0..1.
    timeout_s
        Timeout of one request, s, > 0.
    max_keys
        Maximum number of keys (LRU), at least 1.
    owner
        Name in the monitor's reports.
    clock, rng
        The clock for ages, and random numbers for the jitter.
    policy
        The policy to register with; default: the process's monitor.

    Raises
    ------
    calib.errors.ProhibitedCacheError, calib.errors.ConfigError
        For a type that may not be cached or is streaming; for a setting out of its range.

    >>> async def rules(symbol: str) -> dict[str, float]:
    ...     return {"tick_size": 0.1}
    >>> async def bot() -> float:
    ...     async with StaticDataCache("trading_rules", rules) as cache:
    ...         return (await cache.get("BTC/USDT")).value["tick_size"]
    >>> asyncio.run(bot())
    0.1
    """

    def __init__(
        self,
        data_type: str,
        fetch: Callable[[str], Awaitable[T]],
        *,
        refresh_s: float | None = None,
        jitter_ratio: float = 0.1,
        timeout_s: float = 10.0,
        max_keys: int = 10_000,
        owner: str = "",
        clock: Clock | None = None,
        rng: random.Random | None = None,
        policy: CachePolicy | None = None,
    ) -> None:
        self.data_type = lookup(data_type)
        self.owner = owner or f"{data_type} cache"
        registration = (policy or default_monitor()).register(
            data_type, max_age_s=self.data_type.limit_s, owner=self.owner
        )
        if self.data_type.cache_class not in (CacheClass.STATIC, CacheClass.ANALYTIC):
            raise ConfigError(f"{data_type} is not static data", where=self.owner, hint="Use calib.MDCache for streams")
        limit_s = self.data_type.limit_s
        self._limit_ns = None if limit_s is None else round(limit_s * NS_PER_S)
        self.refresh_s = (_ANALYTIC_REFRESH_S if limit_s is None else limit_s / 2) if refresh_s is None else refresh_s
        _check(self.owner, "refresh_s", self.refresh_s, 0, limit_s)
        _check(self.owner, "timeout_s", timeout_s, 0, None)
        if not 0 <= jitter_ratio <= 1 or max_keys < 1:
            raise ConfigError(
                f"jitter_ratio {jitter_ratio!r} or max_keys {max_keys!r} is not allowed",
                where=self.owner,
                hint="Allowed: jitter_ratio 0 to 1, max_keys a whole number from 1",
            )
        self.enabled = True
        self._fetch = fetch
        self._jitter_ratio = jitter_ratio
        self._timeout_s = timeout_s
        self._max_keys = max_keys
        self._now_ns = time.monotonic_ns if clock is None else clock.monotonic_ns
        self._rng = random.Random() if rng is None else rng
        self._slots: OrderedDict[str, CachedSlot[T]] = OrderedDict()
        self._hits = 0
        self._misses = 0
        self._closed = False
        if registration is not None:
            registration.attach(self)

    # --- reading

    async def get(self, key: str) -> CachedValue[T]:
        """Return the value, from the cache if it is within the limit, else from a request.

        Raises
        ------
        calib.errors.StaticDataUnavailable
            If the cached value is past its limit or missing, and the request failed.
        """
        found = self.peek(key)
        if found is not None:
            return found
        if not self.enabled:
            return await self._direct(key)
        slot = self._slot(key)
        if slot.task is not None or self._now_ns() >= slot.retry_ns:
            # Not awaited directly: a cancelled reader must not cancel the request that others wait for.
            await asyncio.wait({self._refresh(key, slot)})
        age_ns = slot.age_ns(self._now_ns())
        if age_ns is None or self._past_limit(age_ns):
            raise self._unavailable(key, slot.last_error or "the request ended without a response")
        return self._value(slot.value, age_ns)

    def peek(self, key: str) -> CachedValue[T] | None:
        """Return the cached value without waiting; None if there is none within the limit."""
        slot = self._slots.get(key)
        age_ns = None if slot is None or not self.enabled else slot.age_ns(self._now_ns())
        if slot is None or age_ns is None or self._past_limit(age_ns):
            self._misses += 1
            return None
        self._hits += 1
        slot.read = True
        self._slots.move_to_end(key)
        if age_ns > self.refresh_s * NS_PER_S and self._now_ns() >= slot.retry_ns:
            self._refresh_behind(key, slot)  # the timer expired before this first read and did not refresh
        return self._value(slot.value, age_ns)

    def unavailable(self, key: str) -> StaticDataUnavailable:
        """Return the error with the reason why a value is not available."""
        slot = self._slots.get(key)
        return self._unavailable(key, (slot.last_error if slot is not None else "") or "it was not fetched in time")

    # --- writing and dropping

    def put(self, key: str, value: T) -> None:
        """Store a value that was fetched just now by other means."""
        slot = self._slot(key)
        slot.epoch += 1
        self._keep(key, slot, value, self._now_ns())

    def invalidate(self, key: str) -> None:
        """Drop a value; the response of a running request is not stored either."""
        slot = self._slots.get(key)
        if slot is not None:
            slot.epoch += 1
            slot.value = slot.began_ns = None
            slot.retry_ns = self._now_ns()

    def disable_cache(self, reason: str) -> None:
        """Drop all values; from now on each `get` makes a request."""
        self.enabled = False
        for key in list(self._slots):
            self.invalidate(key)

    def cache_counts(self) -> CacheCounts:
        """Return the number of reads served from the cache, and of the others."""
        return CacheCounts(self._hits, self._misses)

    async def close(self) -> None:
        """Stop refreshes."""
        self._closed = True
        tasks = []
        for slot in self._slots.values():
            if slot.timer is not None:
                slot.timer.cancel()
                slot.timer = None
            if slot.task is not None:
                slot.task.cancel()
                tasks.append(slot.task)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> StaticDataCache[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- helpers

    async def _direct(self, key: str) -> CachedValue[T]:
        began_ns = self._now_ns()
        try:
            value = await asyncio.wait_for(self._fetch(key), self._timeout_s)
        except Exception as error:
            raise self._unavailable(key, _describe(error)) from error
        return self._value(value, self._now_ns() - began_ns)

    def _slot(self, key: str) -> CachedSlot[T]:
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = CachedSlot(self._now_ns())
            for old in list(self._slots)[: max(0, len(self._slots) - self._max_keys)]:
                self._evict(old)
        slot.read = True
        return slot

    def _evict(self, key: str) -> None:
        slot = self._slots.pop(key)
        slot.epoch += 1
        if slot.timer is not None:
            slot.timer.cancel()

    def _refresh(self, key: str, slot: CachedSlot[T]) -> asyncio.Task[None]:
        """Return the running request of a key, starting one if needed. It never raises: errors are in the slot."""
        if slot.task is None:
            slot.task = asyncio.get_running_loop().create_task(self._run(key, slot), name=f"calib {self.owner} {key}")
        return slot.task

    def _refresh_behind(self, key: str, slot: CachedSlot[T]) -> None:
        if slot.task is not None or self._closed:
            return
        try:
            self._refresh(key, slot)
        except RuntimeError:  # no loop runs here: the next `get` refreshes
            return

    async def _run(self, key: str, slot: CachedSlot[T]) -> None:
        began_ns, epoch = self._now_ns(), slot.epoch
        try:
            value = await asyncio.wait_for(self._fetch(key), self._timeout_s)
        except Exception as error:
            self._failed(key, slot, _describe(error))
        else:
            if epoch == slot.epoch and self.enabled:
                self._keep(key, slot, value, began_ns)
            else:
                slot.last_error = "it was invalidated while the request ran"
        finally:
            slot.task = None

    def _failed(self, key: str, slot: CachedSlot[T], why: str) -> None:
        """Record a failed request: the old value stays within its limit; without one, reads retry after the pause."""
        slot.failures += 1
        slot.last_error = why
        pause_s = min(self.refresh_s, _RETRY_CAP_S, _RETRY_S * 2.0 ** min(slot.failures - 1, 10))
        now_ns = self._now_ns()
        slot.retry_ns = now_ns + round(pause_s * NS_PER_S)
        age_ns = slot.age_ns(now_ns)
        if age_ns is not None and not self._past_limit(age_ns):
            self._schedule(key, slot, pause_s)

    def _keep(self, key: str, slot: CachedSlot[T], value: T, began_ns: int) -> None:
        slot.value, slot.began_ns = value, began_ns
        slot.failures, slot.last_error, slot.retry_ns, slot.read = 0, "", began_ns, False
        self._schedule(key, slot, self.refresh_s - (self._now_ns() - began_ns) / NS_PER_S)

    def _schedule(self, key: str, slot: CachedSlot[T], delay_s: float) -> None:
        """Schedule a refresh after the delay less a random share of it."""
        if self._closed or not self.enabled or self._slots.get(key) is not slot:
            return
        if slot.timer is not None:
            slot.timer.cancel()
            slot.timer = None
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        jittered_s = max(0.0, delay_s) * (1 - self._jitter_ratio * self._rng.random())
        slot.timer = loop.call_later(jittered_s, self._due, key, slot)

    def _due(self, key: str, slot: CachedSlot[T]) -> None:
        slot.timer = None
        if slot.read or slot.failures:
            self._refresh_behind(key, slot)

    def _past_limit(self, age_ns: int) -> bool:
        return self._limit_ns is not None and age_ns > self._limit_ns

    def _value(self, value: T, age_ns: int) -> CachedValue[T]:
        return CachedValue(value, age_ns / NS_PER_S, self.data_type.name, self.data_type.for_trading)

    def _unavailable(self, key: str, why: str) -> StaticDataUnavailable:
        limit = "" if self.data_type.limit_s is None else f" within its limit of {self.data_type.limit_s:g} s"
        return StaticDataUnavailable(
            f"{self.data_type.name} of {key!r} is not available{limit}: {why}",
            where=self.owner,
            hint="Do not trade on older data; check the connection to the exchange",
        )


def _check(owner: str, name: str, value: float, above: float, most: float | None) -> None:
    if not value > above or (most is not None and value > most):
        allowed = f"above {above:g}" + ("" if most is None else f", at most {most:g}")
        raise ConfigError(
            f"{name}: {value!r} is not allowed", where=owner, hint=f"Allowed: a number of seconds {allowed}"
        )


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
