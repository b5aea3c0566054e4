"""The settings of the closed loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from calib.errors import UsageError
from calib.exchange_sim.faults import Fault
from calib.market import MDCacheConfig
from calib.simulation.incidents import HOUR_S
from calib.simulation.latency import VENUE_READ, LogNormal

CACHE_MODES: Final = ("off", "shadow", "on")
FILLS: Final = ("stream", "callback")
TICK_US: Final = 2_000_000
"""The bot ticks every 2 s."""
STEP_US: Final = 250_000
"""The market moves four times per second."""
DEADLINE_MS: Final = 200.0
"""A tick that takes longer is a deadline miss."""


@dataclass(frozen=True, slots=True)
class ClosedLoopSettings:
    """The settings of a closed loop.

    Parameters
    ----------
    cache
        ``off``: every tick requests a book from the venue; ``shadow``: likewise, with the cache beside it; ``on``.
    fill
        ``stream``: the stream's deltas build the cached books. ``callback``: only the refresh callback fills the cache,
        with the true book after the venue's latency.
    md_cache
        Bounds of the cache; ``enabled``, ``mode`` and the sequence rule are set from ``cache``.
    venue_latency
        Latency of a snapshot.
    faults
        Faults in addition to the incidents, in seconds from the start of each hour.
    record
        Symbols whose book and trades are recorded, for ``record_s`` seconds from the start of the first hour.
    """

    cache: str = "on"
    fill: str = "stream"
    md_cache: MDCacheConfig = field(default_factory=MDCacheConfig)
    venue_latency: LogNormal = VENUE_READ
    faults: tuple[Fault, ...] = ()
    record: tuple[str, ...] = ()
    record_s: float = 600.0

    def __post_init__(self) -> None:
        for name, allowed in (("cache", CACHE_MODES), ("fill", FILLS)):
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name} {getattr(self, name)!r} is not valid", hint=f"Allowed: {', '.join(allowed)}")
        if not 0 < self.record_s <= HOUR_S:
            raise UsageError(
                f"record_s: {self.record_s:g} is out of range", hint=f"Allowed: more than 0, at most {HOUR_S} s"
            )

    def described(self) -> dict[str, Any]:
        """The settings as plain values, for the record of the simulation."""
        bounds = {name: getattr(self.md_cache, name) for name in ("ttl_ms", "fresh_ms_for_pricing", "stale_ok")}
        return {
            "cache": self.cache,
            "fill": self.fill,
            "md_cache": bounds,
            "venue_latency_us": {"median": self.venue_latency.median_us, "sigma": self.venue_latency.sigma},
            "faults": [str(fault) for fault in self.faults],
            "record": list(self.record),
            "record_s": self.record_s,
        }

    def cache_config(self, tick_sizes: dict[str, float]) -> MDCacheConfig:
        """The cache configuration for these markets."""
        return self.md_cache.changed(
            enabled=self.cache != "off",
            mode="shadow" if self.cache == "shadow" else "on",
            sequence_rule="range",
            # A tick passes the id that its stream had before it waited; when the cache is read, a newer message may
            # have been applied, which is not a rewind.
            sequence_mode="ranged",
            tick_sizes=tick_sizes | dict(self.md_cache.tick_sizes),
        )
