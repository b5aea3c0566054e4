"""The cache: `calib.smartcache.decide` decides reads, concurrent callers share computes, a back end stores values."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from calib.clock import NS_PER_S, Clock, SystemClock
from calib.policy import CacheCounts, CachePolicy, default_monitor, lookup
from calib.smartcache import decorator
from calib.smartcache.answers import answer, computed, uncached
from calib.smartcache.backends import MemoryBackend, RedisBackend, TwoLevelBackend
from calib.smartcache.compute import ComputePlan, call_compute
from calib.smartcache.counters import ReadCounters
from calib.smartcache.decide import (
    BYPASS,
    COMPUTE,
    SERVE_FRESH,
    SERVE_STALE,
    DecisionSettings,
    Moment,
    ServeDecision,
    decide,
    quiet_until_ns,
    ttl_now,
)
from calib.smartcache.entry import STALE_FACTOR
from calib.smartcache.golden_hour import MATCH, Schedule, load_schedule
from calib.smartcache.keys import KeyFactory, checked_key
from calib.smartcache.match_context import MatchContext, read_context
from calib.smartcache.reading import market_status, read_input, tags_for
from calib.smartcache.settings import SmartCacheSettings
from calib.smartcache.shared_computes import SharedComputes
from calib.smartcache.tags import TagManager
from calib.smartcache.targets import TARGETS
from calib.smartcache.volatility import VIXCalculator, VixStatus

if TYPE_CHECKING:
    from calib.smartcache.backends import Backend
    from calib.smartcache.decide import ReadContext
    from calib.smartcache.entry import CachedEntry, Tag

_LOG: Final = logging.getLogger("calib.smartcache")
OWNER: Final = "SmartCacheEnhanced"


class SmartCacheEnhanced:
    """A cache for expensive, permitted computations around scheduled events.

    It belongs to one event loop at a time and to one thread, except for `ping`, `health`, `get_metrics` and
    `disable_cache`, which any thread may call.

    Parameters
    ----------
    redis_url
        ``redis://``, ``rediss://`` or ``unix://`` address; None stores values in the memory of this process.
    enabled
        False: every read computes. May be set at any time.
    data_type
        Type of the values in the caching policy (`calib.policy.DATA_TYPES`).
    clock
        The clock; default: the system clock.
    settings
        `SmartCacheSettings`; default: its defaults.
    schedule
        TTL zones: the name of a built-in schedule, or a `calib.smartcache.Schedule`.
    tags
        The markets that events affect; default: the ``derivatives`` catalogue.
    vix
        Volatility of markets; default: a new `VIXCalculator` with this clock.
    policy
        The policy to register with; default: the process's monitor (`calib.policy.default_monitor`).
    owner
        Name under which this cache is registered with the policy.
    rng
        Random numbers for XFetch and jitter; default: a new `random.Random`.

    Raises
    ------
    calib.errors.ProhibitedCacheError
        If the policy prohibits caching of the data type.
    calib.errors.MissingExtra, calib.errors.ConfigError
        If an address is given and redis-py is not installed, or the address is invalid.

    >>> import asyncio
    >>> async def main() -> None:
    ...     cache = SmartCacheEnhanced()
    ...     for _ in range(2):
    ...         result = await cache.get_with_intelligence("curve:BTC", lambda: [1.0, 1.5])
    ...         print(result["value"], result["metadata"]["strategy"], result["metadata"]["ttl"])
    >>> asyncio.run(main())
    [1.0, 1.5] compute 21600.0
    [1.0, 1.5] serve_fresh 21600.0
    """

    targets = TARGETS
    """Target values of the figures of `get_metrics`; see `calib.smartcache.targets`."""

    def __init__(
        self,
        redis_url: str | None = None,
        enabled: bool = True,
        *,
        data_type: str = "analytics",
        clock: Clock | None = None,
        settings: SmartCacheSettings | None = None,
        schedule: str | Schedule = MATCH,
        tags: TagManager | None = None,
        vix: VIXCalculator | None = None,
        policy: CachePolicy | None = None,
        owner: str = OWNER,
        rng: random.Random | None = None,
    ) -> None:
        self.enabled = enabled
        self.settings = SmartCacheSettings() if settings is None else settings
        self.tags = TagManager() if tags is None else tags
        self.keys = KeyFactory(self.settings.env, self.settings.version)
        self.data_type = data_type
        self._clock: Clock = SystemClock() if clock is None else clock
        # Call time.monotonic_ns directly: the method call of SystemClock would double the cost.
        self._now_ns = time.monotonic_ns if type(self._clock) is SystemClock else self._clock.monotonic_ns
        self.vix = VIXCalculator(clock=self._clock) if vix is None else vix
        plan = load_schedule(schedule) if isinstance(schedule, str) else schedule
        limit_s = lookup(data_type).limit_s
        longest_s = STALE_FACTOR * plan.longest_ttl_s
        monitor = default_monitor() if policy is None else policy
        # Register first: a prohibited cache must not be created, not even without values.
        registration = monitor.register(
            data_type, max_age_s=longest_s if limit_s is None else min(longest_s, limit_s), owner=owner
        )
        self._rules = DecisionSettings(
            plan,
            self.settings.beta,
            self.settings.delta_floor_s,
            self.settings.warning_ttl_s,
            None if limit_s is None else limit_s / STALE_FACTOR,
        )
        self._rng = random.Random() if rng is None else rng
        self._reads = ReadCounters()
        self._counts = self._reads.counts
        self._backend = self._make_backend(redis_url)
        self._hot, self._touch, self._watched = self._backend.hot, self._backend.touch, self.vix.watched
        self._computes = SharedComputes(
            self._backend, self.settings, self._now_ns, self._counts, self._rng, self._tags_of
        )
        if registration is not None:
            registration.attach(self)

    # --- reads

    async def get_with_intelligence(
        self,
        cache_key: str,
        compute_fn: Callable[..., Any],
        match_context: Mapping[str, Any] | None = None,
        force_refresh: bool = False,
    ) -> dict[str, Any]:
        """Return the value of a key, from the cache or computed.

        Parameters
        ----------
        cache_key
            Text of 1 to 1024 characters; `keys.make` joins parts to a key.
        compute_fn
            Computes the value: takes no argument or the key; an awaitable result is awaited. Run a blocking function in
            a thread (`asyncio.to_thread`).
        match_context
            The event's time and confirmation, match, markets and quotes; see `calib.smartcache.read_context`.
        force_refresh
            Whether to compute even if a value is cached. Callers during such a compute share the next one.

        Returns
        -------
        dict
            ``value`` and ``metadata``: ``strategy`` (``bypass``, ``compute``, ``serve_fresh``, ``serve_stale``),
            ``source`` (``memory``, ``redis``, ``two_level``; ``compute``, or ``shared`` if another caller computed),
            ``zone``, ``ttl`` (s), ``vix_status``, ``age`` (s since the compute began), ``reason``, ``refreshing``.
            The value is shared with other readers: do not change it.

        Raises
        ------
        calib.errors.BadCacheKey, calib.errors.BadContext
            If the key or the context is invalid.
        calib.errors.ComputeTimeout, calib.errors.ComputeCancelled
            If the compute took too long or was cancelled.
        Exception
            The exception of ``compute_fn``, if no cached value may be served instead.
        """
        if not self.enabled:
            return await self._uncached(cache_key, compute_fn)
        if match_context is None and not force_refresh:
            entry = self._hot.get(cache_key)
            if entry is not None and cache_key not in self._watched:
                now_ns = self._now_ns()
                if now_ns < entry.quiet_until_ns:
                    self._touch(cache_key)
                    self._reads.quick_hits += 1
                    metadata = entry.hit_metadata.copy()
                    metadata["age"] = (now_ns - entry.as_of_ns) / NS_PER_S
                    return {"value": entry.value, "metadata": metadata}
        return await self._read(checked_key(cache_key), compute_fn, read_context(match_context), force_refresh)

    async def _read(
        self, key: str, compute_fn: Callable[..., Any], context: MatchContext, force_refresh: bool
    ) -> dict[str, Any]:
        began_ns = self._now_ns()
        self._count_ignored(context)
        vix = market_status(key, context, self.keys, self.vix)
        periodic = self._rules.schedule.period_s is not None
        asked = read_input(context, vix, force_refresh=force_refresh, periodic=periodic)
        entry = None if force_refresh or vix is VixStatus.PANIC else await self._backend.read(key)
        decision = decide(entry, self._moment(), asked, self._rules)
        if entry is not None and decision.strategy == SERVE_FRESH and not decision.refresh:
            self._reads.served(SERVE_FRESH, self._now_ns() - began_ns)
            return self._served(entry, decision, vix, False)
        plan = self._plan(key, compute_fn, context, asked, entry, decision)
        if entry is None or decision.strategy in (BYPASS, COMPUTE):
            outcome, joined = await self._computes.value(plan, from_now=decision.reason in ("panic", "forced"))
            result = computed(outcome, joined, decision, vix, self._now_ns())
        elif decision.strategy == SERVE_STALE:
            result = await self._stale(plan, entry, decision, vix)
        else:
            result = self._served(entry, decision, vix, self._computes.refresh(plan, early=True) is not None)
        self._reads.served(result["metadata"]["strategy"], self._now_ns() - began_ns)
        return result

    async def _uncached(self, key: str, compute_fn: Callable[..., Any]) -> dict[str, Any]:
        began_ns = self._now_ns()
        value = await call_compute(compute_fn, checked_key(key))
        waited_ns = self._now_ns() - began_ns
        self._counts["disabled_reads"] += 1
        self._reads.served(BYPASS, waited_ns)
        return uncached(value, waited_ns)

    async def _stale(
        self, plan: ComputePlan, entry: CachedEntry, decision: ServeDecision, vix: VixStatus
    ) -> dict[str, Any]:
        """Return the refreshed value if it is available within the soft timeout, else the stale one."""
        flight = self._computes.refresh(plan, early=False)
        if flight is not None and self.settings.soft_timeout_s > 0:
            try:
                async with asyncio.timeout(self.settings.soft_timeout_s):
                    outcome = await flight.wait()
            except TimeoutError:
                self._counts["soft_timeouts"] += 1
            else:
                if outcome.entry is not None and not outcome.retry:
                    return computed(outcome, False, decision._replace(strategy=COMPUTE), vix, self._now_ns())
                self._counts["stale_if_error"] += 1
        return self._served(entry, decision, vix, flight is not None)

    # --- computes

    def _plan(
        self, key: str, compute_fn: Callable[..., Any], context: MatchContext, asked: ReadContext,
        entry: CachedEntry | None, decision: ServeDecision,
    ) -> ComputePlan:  # fmt: skip
        return ComputePlan(
            key,
            compute_fn,
            context,
            0 if entry is None else entry.fence,
            decision.reason not in ("panic", "forced"),
            lambda: ttl_now(self._clock.time(), asked, self._rules),
        )

    def _tags_of(self, plan: ComputePlan) -> tuple[Tag, ...]:
        return tags_for(plan.key, plan.context, self.keys, self.tags)

    def _served(self, entry: CachedEntry, decision: ServeDecision, vix: VixStatus, refreshing: bool) -> dict[str, Any]:
        return answer(entry, decision, vix, self._backend.name, refreshing, self._now_ns())

    # --- invalidation

    async def invalidate_by_event(self, event_type: str, match_key: str) -> dict[str, Any]:
        """Drop exactly the values of a match that an event affects.

        Parameters
        ----------
        event_type
            An event of the catalogue (`EventType`).
        match_key
            The match, or the symbol.

        Returns
        -------
        dict
            ``event_type``, ``match_key``, ``affected_markets`` (sorted), ``affected_count``, ``total_markets``,
            ``cpu_saving_pct`` (share of all markets not affected, percent), ``invalidated_keys`` (number of values
            dropped; None if Redis did not respond) and ``complete``. If not complete, this process reads nothing from
            Redis until the invalidation succeeds; other processes may still serve the old values, so call it again.

        Raises
        ------
        calib.errors.BadCatalogue
            If the event is not in the catalogue.
        """
        affected = self.tags.get_affected_markets(event_type)
        tags = self.tags.affected_tags(event_type, match_key)
        self._computes.detach(frozenset(tags))
        dropped = await self._backend.invalidate(tags)
        self._counts["invalidations"] += 1
        self._counts["invalidated_keys"] += dropped or 0
        return {
            "event_type": str(event_type),
            "match_key": match_key,
            "affected_markets": list(affected),
            "affected_count": len(affected),
            "total_markets": len(self.tags.markets),
            "cpu_saving_pct": self.tags.cpu_saving_pct(event_type),
            "invalidated_keys": dropped,
            "complete": dropped is not None,
        }

    async def invalidate(self, cache_key: str) -> bool | None:
        """Drop one key; returns whether there was a value, None if Redis did not respond."""
        self._computes.detach_key(checked_key(cache_key))
        return await self._backend.delete(cache_key)

    async def clear(self) -> None:
        """Drop all entries of this environment and version."""
        self._computes.detach(None)
        await self._backend.clear()

    # --- volatility and callbacks

    def update_vix_snapshot(self, market_key: str, odds: float) -> str:
        """Add a quote to a market's window; returns its state: ``normal``, ``warning`` or ``panic``.

        Raises
        ------
        calib.errors.BadObservation
            If it is not a finite number.
        """
        return self.vix.update(market_key, odds).status.value

    def register_xfetch_callback(self, callback: Callable[[str], object]) -> None:
        """Call ``callback(cache_key)`` whenever XFetch starts an early refresh; a synchronous one runs in a thread."""
        self._computes.callbacks.append(callback)

    def cached(
        self,
        key: str | Callable[..., str] | None = None,
        *,
        context: Callable[..., Mapping[str, Any] | None] | None = None,
    ) -> Callable[[Callable[..., Any]], decorator.CachedFunction]:
        """Return a decorator that caches a function's values; see `calib.smartcache.decorator.cached_function`."""
        return lambda function: decorator.cached_function(self, function, key, context)

    # --- metrics and health

    def get_metrics(self) -> dict[str, Any]:
        """Return counters since creation; shares and quantiles without data are None. No I/O."""
        return {
            **self._reads.figures(),
            "enabled": self.enabled,
            "base_cache_connected": self._backend.connected,
            "in_flight": len(self._computes),
            "backend": {"name": self._backend.name, **self._backend.counts()},
            "vix": {"markets": self.vix.markets},
        }

    def health(self) -> dict[str, Any]:
        """Return the data of a health endpoint, without I/O.

        ``status`` is ``ok``, ``degraded`` (Redis does not respond; reads compute) or ``disabled``.
        """
        backend = self._backend.counts()
        connected = self._backend.connected
        status = "disabled" if not self.enabled else "ok" if connected else "degraded"
        return {
            "status": status,
            "enabled": self.enabled,
            "backend": self._backend.name,
            "base_cache_connected": connected,
            "breaker": backend.get("breaker"),
            "invalidations_owed": backend.get("invalidations_owed", 0),
            "in_flight": len(self._computes),
        }

    def ping(self) -> bool:
        """Check synchronously whether the back end responds; with Redis it blocks for up to twice the timeout."""
        return self._backend.ping()

    def cache_counts(self) -> CacheCounts:
        """Return hits (fresh and stale) and misses for the policy's monitor."""
        reads = self._reads
        hits = reads.fresh_served + reads.stale
        return CacheCounts(hits, reads.reads - hits)

    def disable_cache(self, reason: str) -> None:
        """Drop the entries in memory and stop serving from the cache; callable from any thread."""
        self.enabled = False
        self._backend.forget()
        _LOG.warning("SmartCache disabled: %s", reason)

    async def close(self) -> None:
        """Cancel background tasks and close connections; the cache may be used again."""
        await self._computes.close()
        await self._backend.close()

    async def __aenter__(self) -> SmartCacheEnhanced:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        where = self._backend.counts().get("address", "memory")
        return f"SmartCacheEnhanced({where}, enabled={self.enabled}, data_type={self.data_type!r})"

    # --- helpers

    def _make_backend(self, redis_url: str | None) -> Backend:
        settings = self.settings

        def quiet(as_of_ns: int, ttl_s: float, delta_s: float) -> int:
            return quiet_until_ns(as_of_ns, ttl_s, delta_s, self._rules)

        if redis_url is None:
            return MemoryBackend(self._now_ns, quiet, settings.max_entries)
        remote = RedisBackend(redis_url, settings, self.keys, self._now_ns, quiet)
        if settings.local_ttl_s > 0:
            return TwoLevelBackend(remote, settings.local_ttl_s, self._now_ns, settings.max_entries)
        return remote

    def _moment(self) -> Moment:
        return Moment(self._now_ns(), self._clock.time(), 1.0 - self._rng.random())

    def _count_ignored(self, context: MatchContext) -> None:
        if context.bad_values:
            self._counts["bad_quotes"] += context.bad_values
        if context.ignored:
            self._counts["ignored_context_keys"] += len(context.ignored)
