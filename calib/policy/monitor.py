"""The monitor of the caching policy: caches register with it, and it records violations."""

from __future__ import annotations

import logging
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from calib.clock import Clock, SystemClock
from calib.errors import ProhibitedCacheError
from calib.policy.audit import PolicyAudit
from calib.policy.data_types import CacheClass, DataType, lookup, nearest
from calib.policy.launch import launch
from calib.policy.protocols import CacheCounts, MonitoredCache, ViolationHandler

SEVERITY: Final = "TRADING_SAFETY_VIOLATION"
_LOG: Final = logging.getLogger("calib.policy")
_RECORDED_EACH: Final = 100
"""Accesses of one cache and type that are all recorded; later ones only if their count is a power of two."""
_PAIRS: Final = 10_000
"""Number of (cache, type) pairs with their own count; further pairs share one count."""
_UNATTACHED: Final = 100
"""Number of registrations kept per name without an attached cache, which cannot be read or disabled."""
_OTHER: Final = "(other)"


class Registration:
    """One cache and one data type that it holds."""

    __slots__ = ("_cache", "data_type", "max_age_s", "owner")

    def __init__(self, owner: str, data_type: str, max_age_s: float | None) -> None:
        self.owner = owner
        self.data_type = data_type
        self.max_age_s = max_age_s
        self._cache: weakref.ref[MonitoredCache] | None = None

    def attach(self, cache: MonitoredCache) -> None:
        """Let the monitor read the cache's counters and disable it; the reference is weak."""
        self._cache = weakref.ref(cache)

    @property
    def cache(self) -> MonitoredCache | None:
        """The attached cache if it still exists, else None."""
        return None if self._cache is None else self._cache()

    @property
    def gone(self) -> bool:
        """Whether a cache was attached and no longer exists."""
        return self._cache is not None and self._cache() is None


@dataclass(frozen=True, slots=True)
class CacheReport:
    """The figures of the caches with one name and data type.

    Parameters
    ----------
    owner, data_type
        Their name and data type.
    caches
        Number of registered caches that still exist.
    max_age_s
        Maximum age that one of them may serve, s; None: no limit.
    counts
        The sum of their counters.
    accesses
        Number of calls of `CacheComplianceMonitor.monitor_cache_access` for them.
    """

    owner: str
    data_type: str
    caches: int
    max_age_s: float | None
    counts: CacheCounts
    accesses: int


class CacheComplianceMonitor:
    """Registers caches with their data types, and refuses prohibited ones.

    Thread-safe. It adds no cost to reads of a registered cache: `report` reads the caches' own counters.

    Parameters
    ----------
    emergency
        Started at each violation; its ``handle_cache_violation(violation_type, affected_component)`` is awaited on the
        running event loop, or in a new thread if none is running. None: violations are only logged and counted.
    audit_path
        File of JSON lines to which every violation is written with fsync; None keeps only the latest 1000 in memory.
    clock
        The clock for the time stamps of the audit.

    >>> monitor = CacheComplianceMonitor()
    >>> registration = monitor.register("orderbook", max_age_s=5, owner="books")
    >>> monitor.register("balance", owner="wallet")
    Traceback (most recent call last):
        ...
    calib.errors.ProhibitedCacheError: wallet: balance may not be cached: An old balance sends orders that the \
account cannot pay for. Request it from the exchange at each use; `calib policy limits` prints what may be cached
    """

    def __init__(
        self,
        *,
        emergency: ViolationHandler | None = None,
        audit_path: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.emergency = emergency
        self.audit = PolicyAudit(audit_path)
        self._clock: Clock = SystemClock() if clock is None else clock
        self._lock = threading.Lock()
        self._registered: dict[str, list[Registration]] = {}
        self._accesses: dict[tuple[str, str], int] = {}
        self._refused: dict[tuple[str, str], int] = {}
        self._prohibited: dict[tuple[str, str], int] = {}
        self._unmonitored: dict[tuple[str, str], int] = {}
        self._running: set[tuple[str, str]] = set()

    # --- caches

    def register(self, data_type: str, *, max_age_s: float | None = None, owner: str = "cache") -> Registration:
        """Register a cache before it stores values.

        Parameters
        ----------
        data_type
            A permitted name of the policy's table (`calib.policy.DATA_TYPES`).
        max_age_s
            Maximum age that the cache serves, s, >= 0; None: the policy's limit.
        owner
            Name of the cache; several caches may share it.

        Raises
        ------
        calib.errors.ProhibitedCacheError
            For a prohibited or unknown type, or an age above the limit. It is counted and audited as a violation.
        """
        row = lookup(data_type)
        refusal = refuse(row, max_age_s, owner)
        if refusal is not None:
            self._violated("registration", owner, data_type, f"{refusal.what}. {refusal.hint}", start=False)
            raise refusal
        registration = Registration(owner, data_type, row.limit_s if max_age_s is None else float(max_age_s))
        with self._lock:
            known = [one for one in self._registered.get(owner, []) if not one.gone]
            bare = [one for one in known if one.cache is None]
            for one in bare[: max(0, len(bare) - _UNATTACHED)]:
                known.remove(one)
            self._registered[owner] = [*known, registration]
        return registration

    def disable_component(self, name: str, reason: str) -> int:
        """Disable every cache of that name; returns their number."""
        caches = [one.cache for one in self._registrations(name)]
        live = [cache for cache in caches if cache is not None]
        for cache in live:
            cache.disable_cache(reason)
        return len(live)

    def enabled_caches(self, name: str) -> int:
        """Return the number of caches of that name that still serve cached values."""
        caches = [one.cache for one in self._registrations(name)]
        return sum(cache is not None and cache.enabled for cache in caches)

    # --- accesses

    def monitor_cache_access(self, cache_name: str, data_type: str) -> bool:
        """Report a read of a cache without registered counters; returns whether the policy permits it.

        A prohibited or unknown type is a violation: it is logged as critical, counted and audited, and starts the
        emergency procedure. It does not raise, as the reader already has the value.
        """
        if lookup(data_type).permitted:
            with self._lock:
                _count(self._accesses, (cache_name, data_type))
            return True
        self._violated("access", cache_name, data_type, lookup(data_type).reason, start=True)
        return False

    def unmonitored(self, data_type: str, owner: str, reason: str) -> None:
        """Record that a cache is exempt from the policy; see `calib.policy.Unmonitored`."""
        with self._lock:
            _count(self._unmonitored, (owner, data_type))
        _LOG.warning("cache %s of %s is not monitored: %s", owner, data_type, reason)
        self._record("unmonitored", owner, data_type, reason=reason)

    # --- figures

    @property
    def violations(self) -> dict[str, int]:
        """Refused registrations and prohibited accesses by data type; unknown types are under ``unknown``."""
        found: dict[str, int] = {}
        with self._lock:
            items = [*self._refused.items(), *self._prohibited.items()]
        for (_, data_type), count in items:
            label = data_type if lookup(data_type).cache_class is not CacheClass.UNKNOWN else CacheClass.UNKNOWN.value
            found[label] = found.get(label, 0) + count
        return dict(sorted(found.items()))

    @property
    def accesses_prohibited(self) -> dict[tuple[str, str], int]:
        """Prohibited accesses by (cache, data type)."""
        with self._lock:
            return dict(self._prohibited)

    @property
    def unmonitored_caches(self) -> dict[tuple[str, str], int]:
        """Number of caches with `calib.policy.Unmonitored`, by (cache, data type)."""
        with self._lock:
            return dict(self._unmonitored)

    def prohibited_unmonitored(self) -> list[tuple[str, str]]:
        """Return the pairs of `unmonitored_caches` whose data type is prohibited, sorted."""
        return sorted(pair for pair in self.unmonitored_caches if not lookup(pair[1]).permitted)

    def report(self) -> list[CacheReport]:
        """Return the registered caches with their counters and reported accesses, by name and data type."""
        with self._lock:
            accesses = dict(self._accesses)
            groups: dict[tuple[str, str], list[Registration]] = {pair: [] for pair in accesses}
            for one in (one for registered in self._registered.values() for one in registered if not one.gone):
                groups.setdefault((one.owner, one.data_type), []).append(one)
        return [
            _summed(owner, data_type, group, accesses.get((owner, data_type), 0))
            for (owner, data_type), group in sorted(groups.items())
        ]

    # --- helpers

    def _registrations(self, name: str) -> list[Registration]:
        with self._lock:
            return list(self._registered.get(name, []))

    def _violated(self, kind: str, cache_name: str, data_type: str, why: str, *, start: bool) -> None:
        pair = (cache_name, data_type)
        with self._lock:
            count = _count(self._prohibited if start else self._refused, pair)
        if start:
            self._start_emergency(pair)  # before the audit is written, which may block
        if count > _RECORDED_EACH and count & (count - 1):
            return
        _LOG.critical(
            "prohibited cache %s: cache=%s data_type=%s count=%d severity=%s: %s",
            kind,
            cache_name,
            data_type,
            count,
            SEVERITY,
            why,
            extra={"cache_name": cache_name, "data_type": data_type, "severity": SEVERITY, "count": count},
        )
        self._record(f"prohibited_{kind}", cache_name, data_type, severity=SEVERITY, count=count)

    def _record(self, event: str, cache_name: str, data_type: str, **more: Any) -> None:
        stamp = {"event": event, "ts": self._clock.time(), "cache": cache_name, "data_type": data_type}
        self.audit.append(stamp | more)

    def _start_emergency(self, pair: tuple[str, str]) -> None:
        handler = self.emergency
        if handler is None:
            return
        with self._lock:
            if pair in self._running:
                return
            self._running.add(pair)
        cache_name, data_type = pair
        launch(lambda: handler.handle_cache_violation(f"{data_type}_cache_access", cache_name), lambda: self._ran(pair))

    def _ran(self, pair: tuple[str, str]) -> None:
        with self._lock:
            self._running.discard(pair)


def refuse(row: DataType, max_age_s: float | None, owner: str) -> ProhibitedCacheError | None:
    """Return the error for a cache that the policy refuses; None if it is allowed."""
    see = "`calib policy limits` prints what may be cached"
    if row.cache_class is CacheClass.UNKNOWN:
        like = nearest(row.name)
        hint = f"Did you mean {like!r}? {see}" if like else f"{see}; `calib policy classify` classifies a new type"
        return ProhibitedCacheError(f"data type {row.name!r} is unknown, so its limit is 0 s", where=owner, hint=hint)
    if not row.permitted:
        return ProhibitedCacheError(
            f"{row.name} may not be cached: {row.reason}",
            where=owner,
            hint=f"Request it from the exchange at each use; {see}",
        )
    if max_age_s is not None and not (max_age_s >= 0 and row.allows_age(max_age_s)):
        allowed = "a number >= 0" if row.limit_s is None else f"0 to {row.limit_s:g} s"
        return ProhibitedCacheError(
            f"{row.name} may not be cached for {max_age_s!r} s", where=owner, hint=f"Allowed: {allowed}; {see}"
        )
    return None


def _count(counts: dict[tuple[str, str], int], pair: tuple[str, str]) -> int:
    """Increment and return a count; beyond `_PAIRS` names under (other), so that generated names use bounded memory."""
    if pair not in counts and len(counts) >= _PAIRS:
        pair = (_OTHER, pair[1] if lookup(pair[1]).cache_class is not CacheClass.UNKNOWN else CacheClass.UNKNOWN.value)
    counts[pair] = counts.get(pair, 0) + 1
    return counts[pair]


def _summed(owner: str, data_type: str, group: list[Registration], accesses: int) -> CacheReport:
    counts = [cache.cache_counts() for one in group if (cache := one.cache) is not None]
    ages = [one.max_age_s for one in group]
    bounded = [age for age in ages if age is not None]
    return CacheReport(
        owner,
        data_type,
        len(group),
        max(bounded, default=None) if len(bounded) == len(ages) else None,
        CacheCounts(sum(one.hits for one in counts), sum(one.misses for one in counts)),
        accesses,
    )
