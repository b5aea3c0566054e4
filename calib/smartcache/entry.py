"""A cached value with what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from calib.clock import NS_PER_S

STALE_FACTOR: Final = 2.0
"""A value is fresh up to its TTL, stale up to this multiple of it, and not served past that."""


class Tag(NamedTuple):
    """What an event can invalidate: a market of a match; market ``*`` stands for all that the match has."""

    match_key: str
    market: str


ANY_MARKET: Final = "*"


class Draft(NamedTuple):
    """A computed value on its way into a back end."""

    value: Any
    ttl_s: float
    delta_s: float
    """Measured cost of the compute, s."""
    zone: str


def hit_metadata(source: str, zone: str, ttl_s: float) -> dict[str, Any]:
    """Metadata of a fresh hit without a context; the age is put in at the hit."""
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
        What the compute returned. Shared by all readers: it must not be changed.
    as_of_ns
        Monotonic time at which its compute began: what the value knows is not younger.
    ttl_s
        Seconds that it is fresh.
    delta_s
        Cost of its compute, s.
    zone
        TTL zone in which it was computed.
    fence
        Number of its compute; a later compute has a greater one.
    quiet_until_ns
        Until then it is fresh and XFetch has nothing to draw.
    hit_metadata
        Metadata of a fresh hit except for its age, made once: copying it costs half of making it. Empty where the back
        end has no entries that can be had without waiting.
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
        """From then on it is too stale to be served."""
        return self.as_of_ns + round(self.ttl_s * STALE_FACTOR * NS_PER_S)
