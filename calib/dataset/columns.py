"""The table of a dataset's numbers: every target and feature with unit, direction and meaning.

The model, the stores, the reports and the reference page derive their columns from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Better = Literal["higher", "lower", ""]


@dataclass(frozen=True, slots=True)
class Column:
    """One target or feature.

    Parameters
    ----------
    name
        Name in the dataset; its last word is the unit, if it has one.
    unit
        ``bps``, ``ms``, ``s``, ``quote`` (currency) or ``ratio`` (0..1 unless the input is inconsistent).
    better
        Which direction is better for us; empty if neither.
    meaning
        One sentence.
    later
        Whether it was added after the first release: older datasets lack it and are read with null in its place.
    needs
        The feed beyond fills and ticks that it is computed from; without that feed null is not a fault.
    """

    name: str
    unit: str
    better: Better
    meaning: str
    later: bool = False
    needs: str = ""


TARGETS: Final = (
    Column("net_bps", "bps", "higher", "Gain per notional after fees, against the mid at the fill, weighted by p q"),
    Column("net_bps_equal", "bps", "higher", "The same gain, with equal weight for every fill"),
    Column(
        "markout_1s_bps",
        "bps",
        "higher",
        "Move of the mid in our favour in the second after maker fills, weighted by p q; null without a book feed",
        later=True,
        needs="book",
    ),
    Column("markout_5s_bps", "bps", "higher", "The same within 5 seconds", later=True, needs="book"),
    Column("markout_30s_bps", "bps", "higher", "The same within 30 seconds", later=True, needs="book"),
    Column("slippage_bps", "bps", "lower", "Cost of the fill price against the quoted price, weighted by p q"),
    Column("fill_rate", "ratio", "", "Filled quotes per quote sent; above 1 the sampling rate is wrong"),
    Column("taker_share", "ratio", "lower", "Taker fills per fill"),
    Column("taker_share_notional", "ratio", "lower", "Taker notional per notional"),
    Column("notional", "quote", "", "Sum of p q over all fills", later=True),
    Column("pnl_mid", "quote", "higher", "Gain in quote currency after fees, against the mid at the fill", later=True),
)
"""The quantities that a calibration predicts, in the order of the file."""

FEATURES: Final = (
    Column("latency_p95_ms", "ms", "lower", "95th percentile of the ticks' total time"),
    Column("latency_p50_ms", "ms", "lower", "Median of the ticks' total time"),
    Column("latency_p99_ms", "ms", "lower", "99th percentile of the ticks' total time"),
    Column("fetch_md_p95_ms", "ms", "lower", "95th percentile of the market-data stage"),
    Column("cache_hit_ratio", "ratio", "higher", "Share of ticks served by the cache"),
    Column("cache_age_avg_ms", "ms", "lower", "Mean age of the cached book where it is known"),
    Column("deadline_miss_rate", "ratio", "lower", "Share of ticks that missed their deadline"),
    Column("stale_rate", "ratio", "lower", "Share of ticks that used a stale book, where it is known"),
    Column("max_gap_s", "s", "lower", "Longest silence of the stream, else of the ticks"),
    Column("vol_realized_bps", "bps", "", "Realised volatility of the mid over the interval"),
)
"""The predictors, in the order of the file."""

COUNTS: Final = (
    Column("ticks", "lines", "", "Tick lines used"),
    Column("fills", "fills", "", "Fills used"),
    Column("quotes", "quotes", "", "Quotes sent, from the counts and sampling rates of the tick lines"),
)
"""``sample_count``, in the order of the file."""

NUMBERS: Final = TARGETS + FEATURES
"""Every target and feature."""
