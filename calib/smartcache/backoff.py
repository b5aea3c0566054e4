"""Backoff of background refreshes by key: after failures, and while another process refreshes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from calib.clock import NS_PER_S

if TYPE_CHECKING:
    import random


class KeyBackoff:
    """Exponential backoff with jitter: ``min(cap, first 2^(n-1))`` seconds after the n-th consecutive failure of a key.

    The share ``jitter`` of a pause is random. The number of keys is bounded; the key that failed longest ago is dropped
    first.

    >>> import random
    >>> backoff = KeyBackoff(1.0, 60.0, 0.0, random.Random(1), max_keys=10)
    >>> [backoff.failed("k", now_ns=0) / NS_PER_S for _ in range(8)]
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    >>> backoff.blocks("k", now_ns=59 * NS_PER_S), backoff.blocks("k", now_ns=60 * NS_PER_S)
    (True, False)
    """

    __slots__ = ("_cap_s", "_first_s", "_jitter", "_keys", "_max_keys", "_rng")

    def __init__(self, first_s: float, cap_s: float, jitter: float, rng: random.Random, *, max_keys: int) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._jitter = jitter
        self._rng = rng
        self._max_keys = max_keys
        self._keys: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def blocks(self, key: str, now_ns: int) -> bool:
        """Return whether a background refresh of the key must wait."""
        known = self._keys.get(key)
        return known is not None and now_ns < known[1]

    def failed(self, key: str, now_ns: int) -> int:
        """Record a failed compute; returns the end of the pause, ns."""
        failures = self._keys.get(key, (0, 0))[0] + 1
        pause_s = min(self._cap_s, self._first_s * 2.0 ** min(failures - 1, 60))  # 2.0**2000 would overflow
        pause_s *= 1.0 - self._jitter * self._rng.random()
        return self._put(key, failures, now_ns + round(pause_s * NS_PER_S))

    def hold(self, key: str, now_ns: int, pause_s: float) -> None:
        """Pause for ``pause_s`` while another process refreshes the key."""
        self._put(key, self._keys.get(key, (0, 0))[0], now_ns + round(pause_s * NS_PER_S))

    def succeeded(self, key: str) -> None:
        """Reset the failure count of a key."""
        self._keys.pop(key, None)

    def clear(self) -> None:
        """Reset every key."""
        self._keys.clear()

    def _put(self, key: str, failures: int, until_ns: int) -> int:
        self._keys[key] = (failures, until_ns)
        self._keys.move_to_end(key)
        while len(self._keys) > self._max_keys:
            self._keys.popitem(last=False)
        return until_ns
