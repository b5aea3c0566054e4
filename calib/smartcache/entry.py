"""A cached value with its metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from calib.clock import NS_PER_S

STALE_FACTOR: Final = 2.0
"""A value is fresh up to its TTL, stale up to this multiple of it, and not served beyond."""


class Tag(NamedTuple):
    """The unit of invalidation: a market of a match; market ``*`` means every market of the match."""

    match_key: str
    market: str


ANY_MARKET: Final = "*"


class Draft(NamedTuple):
    """A computed value before it is stored."""

    value: Any
    ttl_s: float
    delta_s: float
    """Measured cost of the compute, s."""
    zone: str


def hit_metadata(source: str, zone: str, ttl_s: float) -> dict[str, Any]:
    """Return the metadata of a fresh hit without a context; the hit sets the age."""
    return {
        "strategy": "serve_fresh",
        "source": source,
        "zone": zone,
        "ttl": ttl_s,
        "vix_status": "normal",
        "age": 0.0,
        "reason": "fresh",
        "refreshing": False,
    }


@dataclass(frozen=True, slots=True)
class CachedEntry:
    """A value in the cache.

    Parameters
    ----------
    value
        The result of the compute. Shared by all readers: it must not be changed.
    as_of_ns
        Monotonic time at which its compute began; the age counts from here.
    ttl_s
        TTL, s.
    delta_s
        Duration of its compute, s.
    zone
        TTL zone in which it was computed.
    fence
        Fencing number of its compute; a later compute has a greater number.
    quiet_until_ns
        Monotonic time until which it is fresh and XFetch cannot refresh it early.
    hit_metadata
        Metadata of a fresh hit except the age, built once: copying it costs half of building it. Empty if the back end
        has no entries available without awaiting.
    """

    value: Any
    as_of_ns: int
    ttl_s: float
    delta_s: float
    zone: str
    fence: int
    quiet_until_ns: int
    hit_metadata: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def dead_ns(self) -> int:
        """Monotonic time from which it is too stale to be served."""
        return self.as_of_ns + round(self.ttl_s * STALE_FACTOR * NS_PER_S)
