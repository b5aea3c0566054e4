"""The settings of a replay, and the limits that its outcome is held to."""

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
        "Latency of the venue: constant:MS, recorded or empirical:FILE; null: as recorded, else 36 ms",
        kind="str",
        nullable=True,
    )
    read_every_ms: float | None = setting(
        None,
        "Reads of every symbol so often, ms; null: the recorded ticks, and 100 ms where there are none",
        1,
        3600000,
        kind="float",
        nullable=True,
    )
    use_case: str = setting(
        "pricing",
        "Use case of scheduled reads, and of ticks that name none",
        choices=("general", "analytics", "pricing", "guards"),
    )
    depth: int = setting(20, "Levels a side of reads that name none; cut to md_cache.max_depth", 1, 200)
    features_every_s: float = setting(10.0, "Step of the grid of --features-out, s", 0.001, 86400)
    min_hit_ratio: float | None = setting(0.7, "Gate: least hit ratio; null: not judged", 0, 1, nullable=True)
    max_fetch_p95_ms: float | None = setting(35.0, "Gate: largest fetch_md p95, ms; null: not judged", 0, nullable=True)
    max_pricing_on_stale: float | None = setting(
        0.05, "Gate: largest share of pricing reads that used a stale book; null: not judged", 0, 1, nullable=True
    )
    max_error_p95_bps: float | None = setting(
        1.0, "Gate: largest p95 of |served mid - true mid|, bps; null: not judged", 0, nullable=True
    )


SETTINGS: Final[dict[str, Setting]] = settings_of(ReplayOptions, "replay")
DEFAULTS: Final = ReplayOptions()
