"""The settings of a SmartCache, with their ranges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from calib.config import check_fields, setting, settings_of
from calib.errors import ConfigError

SECTION: Final = "smart_cache"

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartCacheSettings:
    """The settings of a `SmartCacheEnhanced`; the ``smart_cache`` section of ``calib.yaml`` has the same keys.

    The address of Redis is not a setting: it may contain a password, and `calib config` prints every setting.

    Parameters
    ----------
    env, version
        The first two parts of every Redis key, ``monps:{env}:{version}:...``: letters, digits, ``_``, ``.``, ``-``.
        Another version is another cache: change it when the meaning of the values changes.
    beta
        XFetch: eagerness of early refreshes; 0 disables them, 1 is optimal. 0..10.
    delta_floor_s
        XFetch: minimum assumed duration of a compute, s. 0.000001..60.
    warning_ttl_s
        Maximum TTL, s, while a market is in ``warning``, and of values computed in a panic. 1..3600.
    soft_timeout_s
        How long a read of a stale value waits for the refresh before the stale value is served, s; 0: not at all.
        0..60.
    hard_timeout_s
        Longest wait for a compute, s; then it is cancelled and its callers receive `calib.errors.ComputeTimeout`.
        0.01..3600.
    backoff_s, backoff_cap_s, backoff_jitter_ratio
        After the n-th consecutive failure no background refresh of the key starts for ``min(cap, backoff 2^(n-1))``
        seconds, of which the share ``jitter`` is random. 0.001..600, 0.001..3600, 0..1.
    max_entries
        Maximum number of values in memory (LRU). 1..10000000.
    lease_s
        Lease of a lock on Redis, s: how long it remains after its holder died; a live holder renews it. 0.1..300.
    poll_s
        First polling interval of a process that waits for another's compute, s; it doubles up to 0.1 s. 0.001..1.
    local_ttl_s
        TTL of the local cache in front of Redis, s; 0: no local cache. 0..1.
    redis_timeout_s
        Timeout of one Redis command, including connecting, s. 0.001..60.
    breaker_failures
        Consecutive failures of Redis that open the circuit breaker. 1..1000.
    breaker_open_s, breaker_cap_s
        First and longest open time of the circuit breaker, s; it doubles with each failed probe. 0.01..600,
        0.01..3600.

    Raises
    ------
    calib.errors.ConfigError
        For a value outside its range; the message has the range.

    >>> SmartCacheSettings(beta=11)
    Traceback (most recent call last):
        ...
    calib.errors.ConfigError: smart_cache.beta: smart_cache.beta: 11.0 is not allowed. Allowed: number from 0 to 10
    """

    env: str = setting("prod", "First part of every Redis key: the environment")
    version: str = setting("v1", "Second part of every Redis key: the meaning of the values")
    beta: float = setting(1.0, "Eagerness of early refreshes (XFetch); 0: never", 0, 10)
    delta_floor_s: float = setting(0.001, "Minimum assumed duration of a compute (XFetch), s", 0.000001, 60)
    warning_ttl_s: float = setting(60.0, "Maximum TTL while a market is in warning, s", 1, 3600)
    soft_timeout_s: float = setting(0.0, "Wait of a stale read for its refresh, s; 0: none", 0, 60)
    hard_timeout_s: float = setting(30.0, "Longest wait for a compute, s", 0.01, 3600)
    backoff_s: float = setting(1.0, "Pause of background refreshes after a first failure, s", 0.001, 600)
    backoff_cap_s: float = setting(60.0, "Longest pause of background refreshes, s", 0.001, 3600)
    backoff_jitter_ratio: float = setting(0.5, "Random share of a pause", 0, 1)
    max_entries: int = setting(10_000, "Maximum number of values in memory (LRU)", 1, 10_000_000)
    lease_s: float = setting(10.0, "Lease of a lock: how long it remains after its holder died, s", 0.1, 300)
    poll_s: float = setting(0.02, "First polling interval while another process computes, s", 0.001, 1)
    local_ttl_s: float = setting(0.0, "TTL of the local cache in front of Redis, s; 0: no local cache", 0, 1)
    redis_timeout_s: float = setting(0.25, "Timeout of one Redis command, s", 0.001, 60)
    breaker_failures: int = setting(3, "Consecutive failures of Redis that open the circuit breaker", 1, 1000)
    breaker_open_s: float = setting(1.0, "First open time of the circuit breaker, s", 0.01, 600)
    breaker_cap_s: float = setting(30.0, "Longest open time of the circuit breaker, s", 0.01, 3600)

    def __post_init__(self) -> None:
        check_fields(self, SETTINGS, SECTION)
        for name in ("env", "version"):
            if _NAME.fullmatch(getattr(self, name)) is None:
                raise ConfigError(
                    f"{SECTION}.{name}: {getattr(self, name)!r} is not allowed",
                    hint="Allowed: 1 to 64 letters, digits, '_', '.', '-'",
                )
        for low, high in (("backoff_s", "backoff_cap_s"), ("breaker_open_s", "breaker_cap_s")):
            if getattr(self, low) > getattr(self, high):
                raise ConfigError(f"{low} is greater than {high}", hint=f"Raise {high} or lower {low}")


SETTINGS: Final = settings_of(SmartCacheSettings, SECTION)
"""The ``smart_cache`` section."""


def check_number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    """Raise `ConfigError` unless ``value`` is a number from ``low`` to ``high``."""
    kinds: tuple[type, ...] = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:  # type: ignore[operator]  # a number by now
        unit = "whole numbers " if whole else ""
        raise ConfigError(f"{name}: {value!r} is not allowed", hint=f"Allowed: {unit}{low:g} to {high:g}")
