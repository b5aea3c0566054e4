"""The default monitor of the process, and `Unmonitored` to exempt a cache from it."""

from __future__ import annotations

import logging
import threading
from typing import Final

from calib.errors import ConfigError
from calib.policy.monitor import CacheComplianceMonitor

_LOG: Final = logging.getLogger("calib.policy")
_lock: Final = threading.Lock()
_monitor: CacheComplianceMonitor | None = None


def default_monitor() -> CacheComplianceMonitor:
    """Return the monitor that caches register with by default; created at the first use."""
    global _monitor
    with _lock:
        if _monitor is None:
            _monitor = CacheComplianceMonitor()
        return _monitor


def set_default_monitor(monitor: CacheComplianceMonitor) -> CacheComplianceMonitor:
    """Replace the process's monitor; returns the previous one. Call it before caches are created.

    A bot sets one with an audit file and its emergency procedure.

    Raises
    ------
    calib.errors.ConfigError
        If it is not a `CacheComplianceMonitor`: the policy can only be disabled per cache, with `Unmonitored`.
    """
    global _monitor
    if not isinstance(monitor, CacheComplianceMonitor):
        raise ConfigError(
            f"{monitor!r} is not a CacheComplianceMonitor",
            hint='To exempt a cache from the policy, give it policy=calib.policy.Unmonitored(reason="...")',
        )
    before = default_monitor()
    with _lock:
        _monitor = monitor
    _LOG.info("the default monitor of the caching policy was replaced")
    return before


class Unmonitored:
    """A policy that allows everything, for one cache, with a reason that is logged, counted and audited.

    Parameters
    ----------
    reason
        Why this cache is exempt from the policy; not blank.

    Raises
    ------
    calib.errors.ConfigError
        If the reason is blank.

    >>> Unmonitored(reason=" ")
    Traceback (most recent call last):
        ...
    calib.errors.ConfigError: the reason of Unmonitored is blank. Give the reason why this cache is exempt from the \
caching policy
    """

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        text = str(reason or "").strip()
        if not text:
            raise ConfigError(
                "the reason of Unmonitored is blank",
                hint="Give the reason why this cache is exempt from the caching policy",
            )
        self.reason = text

    def register(self, data_type: str, *, max_age_s: float | None = None, owner: str = "cache") -> None:
        """Allow the cache, and record it in the process's monitor."""
        default_monitor().unmonitored(data_type, owner, self.reason)
