"""The figures of a closed-loop run, and the limits for a cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.limits import Limit, LimitResult, check_limits
from calib.market.cache.quantile import quantile
from calib.simulation.closed_loop.tally import TickTally


@dataclass(frozen=True, slots=True)
class Figures:
    """The measurements of one run; quantiles are linear, None if there are no values.

    Parameters
    ----------
    ticks
        Number of ticks.
    fetch_md_p50_ms, fetch_md_p95_ms, fetch_md_p99_ms, tick_total_p95_ms
        Durations, ms.
    hit_ratio, pricing_on_stale_ratio, deadline_miss_ratio, without_book_ratio
        Fractions of the ticks: read from the cache, with a stale book, past the deadline, without a book.
    stale_error_p50_bps, stale_error_p95_bps, stale_error_max_bps
        |mid that was read - true mid at that time|, bps.
    """

    ticks: int
    fetch_md_p50_ms: float | None
    fetch_md_p95_ms: float | None
    fetch_md_p99_ms: float | None
    tick_total_p95_ms: float | None
    hit_ratio: float | None
    pricing_on_stale_ratio: float | None
    deadline_miss_ratio: float | None
    without_book_ratio: float | None
    stale_error_p50_bps: float | None
    stale_error_p95_bps: float | None
    stale_error_max_bps: float | None

    @classmethod
    def of(cls, tally: TickTally) -> Figures:
        """Compute the figures of a tally."""
        fetch, total, error = tally.fetch_ms, tally.total_ms, tally.error_bps
        return cls(
            ticks=tally.ticks,
            fetch_md_p50_ms=quantile(fetch, 0.50),
            fetch_md_p95_ms=quantile(fetch, 0.95),
            fetch_md_p99_ms=quantile(fetch, 0.99),
            tick_total_p95_ms=quantile(total, 0.95),
            hit_ratio=_share(tally.hits, tally),
            pricing_on_stale_ratio=_share(tally.stale, tally),
            deadline_miss_ratio=_share(tally.late, tally),
            without_book_ratio=_share(tally.without_book, tally),
            stale_error_p50_bps=quantile(error, 0.50),
            stale_error_p95_bps=quantile(error, 0.95),
            stale_error_max_bps=max(error, default=None),
        )


def _share(count: int, tally: TickTally) -> float | None:
    return count / tally.ticks if tally.ticks else None


LIMITS: Final = (
    Limit("hit_ratio", ">=", 0.7),
    Limit("fetch_md_p95_ms", "<=", 35.0),
    Limit("fetch_md_p95_gain_ms", ">=", 20.0),
    Limit("tick_total_p95_ms", "<=", 130.0),
    Limit("pricing_on_stale_ratio", "<", 0.05),
    Limit("deadline_miss_ratio", "<", 0.02),
)
"""The limits for a cache; the gain is measured against the same market without the cache."""


def check_figures(before: Figures, after: Figures) -> list[LimitResult]:
    """Compare the runs without and with the cache with the limits; a missing value fails."""
    direct, p95 = before.fetch_md_p95_ms, after.fetch_md_p95_ms
    values = {
        "hit_ratio": after.hit_ratio,
        "fetch_md_p95_ms": p95,
        "fetch_md_p95_gain_ms": None if p95 is None or direct is None else direct - p95,
        "tick_total_p95_ms": after.tick_total_p95_ms,
        "pricing_on_stale_ratio": after.pricing_on_stale_ratio,
        "deadline_miss_ratio": after.deadline_miss_ratio,
    }
    return check_limits(LIMITS, values, missing_fails=True)
