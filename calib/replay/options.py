"""The settings of a replay, and the limits for its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.config import Setting, setting, settings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """The ``replay`` section."""

    fill: str = setting("stream", "What fills the replayed cache", choices=("stream", "callback"))
    latency: str | None = setting(
        None,
        "Latency of the venue: constant:MS, recorded or empirical:FILE; null: as recorded, otherwise 36 ms",
        kind="str",
        nullable=True,
    )
    read_every_ms: float | None = setting(
        None,
        "Interval of reads of every symbol, ms; null: the recorded ticks, or 100 ms without ticks",
        1,
        3600000,
        kind="float",
        nullable=True,
    )
    use_case: str = setting(
        "pricing",
        "Use case of scheduled reads, and of ticks without one",
        choices=("general", "analytics", "pricing", "guards"),
    )
    depth: int = setting(20, "Levels per side of reads without a depth; at most md_cache.max_depth", 1, 200)
    features_every_s: float = setting(10.0, "Step of the grid of --features-out, s", 0.001, 86400)
    min_hit_ratio: float | None = setting(0.7, "Gate: minimum hit ratio; null: not checked", 0, 1, nullable=True)
    max_fetch_p95_ms: float | None = setting(
        35.0, "Gate: maximum fetch_md p95, ms; null: not checked", 0, nullable=True
    )
    max_pricing_on_stale: float | None = setting(
        0.05, "Gate: maximum fraction of pricing reads with a stale book; null: not checked", 0, 1, nullable=True
    )
    max_error_p95_bps: float | None = setting(
        1.0, "Gate: maximum p95 of |served mid - true mid|, bps; null: not checked", 0, nullable=True
    )


SETTINGS: Final[dict[str, Setting]] = settings_of(ReplayOptions, "replay")
DEFAULTS: Final = ReplayOptions()
