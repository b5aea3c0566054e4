"""The settings of a dataset; the settings of the filters are in their registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.config import Setting, setting, settings_of
from calib.dataset.filters.registry import FILTER_SETTINGS, REASONS

FORMATS: Final = ("json", "parquet", "csv", "arrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateSettings:
    """The ``aggregate`` section except the filters' limits."""

    interval_sec: int = setting(300, "Length of an interval, s", 1, 31_536_000, metavar="S")
    no_filter: tuple[str, ...] = setting((), "Filters that are switched off", choices=REASONS)
    tick_sample_rate: int = setting(10, "Ticks that a line without sample_rate stands for", 1)
    maker_fee_bps: float = setting(0.0, "Fee of a maker fill without fee_bps, bps", metavar="BPS")
    taker_fee_bps: float = setting(0.0, "Fee of a taker fill without fee_bps, bps", metavar="BPS")
    cache: bool = setting(True, "Keep the finished rows of each day in .calib-cache below --out, and use them")
    cache_mib: int = setting(4096, "Largest size of .calib-cache, MiB; rows used longest ago go first", 1, 1 << 24)
    format: tuple[str, ...] = setting(("json",), "Formats of the dataset", choices=FORMATS, metavar="F[,F]")


SETTINGS: Final[dict[str, Setting]] = settings_of(AggregateSettings, "aggregate") | FILTER_SETTINGS
DEFAULTS: Final = AggregateSettings()
