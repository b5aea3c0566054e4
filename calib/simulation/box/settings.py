"""How the bot in a box is set up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from calib.market import MDCacheConfig
from calib.simulation.latency import LogNormal
from calib.venue.faults import Fault

CACHE_MODES: Final = ("off", "shadow", "on")
FILLS: Final = ("stream", "callback")
TICK_US: Final = 1_500_000
"""The bot ticks every 1.5 s."""
STEP_US: Final = 200_000
"""The market moves five times a second."""
DEADLINE_MS: Final = 150.0
"""A tick that takes longer has missed its deadline."""
VENUE_LATENCY: Final = LogNormal(36_000, 0.25)
"""A snapshot asked of the venue, there and back: its p95 is about 55 ms."""


@dataclass(frozen=True, slots=True)
class BoxSettings:
    """What can be chosen of a box.

    Parameters
    ----------
    cache
        ``off``: every tick asks the venue; ``shadow``: it does, and the cache runs beside it; ``on``.
    fill
        ``stream``: the stream's deltas build the cache's books. ``callback``: nothing but the refresh callback fills
        the cache, with the streaming book after the venue's latency.
    md_cache
        Bounds of the cache; whether it is enabled, its mode and its sequence rule follow ``cache``.
    venue_latency
        Of a snapshot.
    faults
        What goes wrong beside the incidents, in seconds from the beginning of each hour.
    record
        Symbols whose book and trades are recorded, for ``record_s`` seconds from the beginning of the first hour.
    """

    cache: str = "on"
    fill: str = "stream"
    md_cache: MDCacheConfig = field(default_factory=MDCacheConfig)
    venue_latency: LogNormal = VENUE_LATENCY
    faults: tuple[Fault, ...] = ()
    record: tuple[str, ...] = ()
    record_s: float = 600.0

    def cache_config(self, tick_sizes: dict[str, float]) -> MDCacheConfig:
        """The cache's configuration for these markets."""
        return self.md_cache.changed(
            enabled=self.cache != "off",
            mode="shadow" if self.cache == "shadow" else "on",
            sequence_rule="range",
            tick_sizes=tick_sizes | dict(self.md_cache.tick_sizes),
        )
