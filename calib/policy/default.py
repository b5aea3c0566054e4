"""The monitor of the process, and the one way around it."""

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
    """The monitor that caches register with unless another is given; made at its first use."""
    global _monitor
    with _lock:
        if _monitor is None:
            _monitor = CacheComplianceMonitor()
        return _monitor


def set_default_monitor(monitor: CacheComplianceMonitor) -> CacheComplianceMonitor:
    """Replace the process's monitor, before any cache is made; returns the one before.

    A bot gives one with an audit file and its emergency procedure.

    Raises
    ------
    calib.errors.ConfigError
        For anything but a `CacheComplianceMonitor`: switching the policy off takes `Unmonitored`, cache by cache.
    """
    global _monitor
    if not isinstance(monitor, CacheComplianceMonitor):
        raise ConfigError(
            f"{monitor!r} is not a CacheComplianceMonitor",
            hint='To make one cache without the policy give it policy=calib.policy.Unmonitored(reason="...")',
        )
    before = default_monitor()
    with _lock:
        _monitor = monitor
    _LOG.info("the default monitor of the caching policy was replaced")
    return before


class Unmonitored:
    """A policy that allows everything: for one cache, with a reason that is logged, counted and audited.

    Parameters
    ----------
    reason
        Why this cache is outside of the policy; not blank.

    Raises
    ------
    calib.errors.ConfigError
        For a blank reason.

    >>> Unmonitored(reason=" ")
    Traceback (most recent call last):
        ...
    calib.errors.ConfigError: the reason of Unmonitored is blank. Say why this cache is outside of the caching policy
    """

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        text = str(reason or "").strip()
        if not text:
            raise ConfigError(
                "the reason of Unmonitored is blank", hint="Say why this cache is outside of the caching policy"
            )
        self.reason = text

    def register(self, data_type: str, *, max_age_s: float | None = None, owner: str = "cache") -> None:
        """Allow it, and record it with the process's monitor."""
        default_monitor().unmonitored(data_type, owner, self.reason)
