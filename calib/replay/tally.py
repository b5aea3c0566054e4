"""What the reads of a replay came to, one by one; exact quantiles are taken at the end."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from calib.market import MDCacheMeta, OrderBook
    from calib.pipeline import MarketData


def _doubles() -> array[float]:
    return array("d")


@dataclass(slots=True)
class Cost:
    """What staleness cost, over the reads that were given a book while the true one was known.

    Parameters
    ----------
    error_bps
        |served mid - true mid| / true mid at the moment the reader had it, bps.
    top_price
        How often the best bid or ask had another price than the true one.
    top
        How often price or quantity differed.
    over_half_spread
        How often the error exceeded half the true spread.
    """

    error_bps: array[float] = field(default_factory=_doubles)
    top_price: int = 0
    top: int = 0
    over_half_spread: int = 0
    no_truth: int = 0
    no_book: int = 0

    def judge(self, served: MarketData | None, true: OrderBook | None) -> float | None:
        """Compare what a reader got with the truth of that moment; the error in bps, None where there is none."""
        if served is None or not (bids := served.bids) or not (asks := served.asks):
            self.no_book += 1
            return None
        bid = ask = None
        if true is not None:
            bid, ask = true.best_bid, true.best_ask
        if bid is None or ask is None:
            self.no_truth += 1
            return None
        true_mid = (bid[0] + ask[0]) / 2
        served_bid, served_ask = bids[0], asks[0]
        off = abs((served_bid[0] + served_ask[0]) / 2 - true_mid)
        error_bps = off / true_mid * 1e4
        self.error_bps.append(error_bps)
        if served_bid != bid or served_ask != ask:
            self.top += 1
            self.top_price += served_bid[0] != bid[0] or served_ask[0] != ask[0]
        self.over_half_spread += off > (ask[0] - bid[0]) / 2
        return error_bps

    def __iadd__(self, other: Self) -> Self:
        self.error_bps.extend(other.error_bps)
        self.top_price += other.top_price
        self.top += other.top
        self.over_half_spread += other.over_half_spread
        self.no_truth += other.no_truth
        self.no_book += other.no_book
        return self


@dataclass(slots=True)
class Tally:
    """The reads of one symbol.

    Parameters
    ----------
    statuses
        By use case: how they were answered.
    costs
        By use case.
    age_ms
        Ages of the books that were served.
    fetch_ms
        How long each read took.
    direct_ms
        How long each would have taken without a cache.
    """

    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    age_ms: array[float] = field(default_factory=_doubles)
    fetch_ms: array[float] = field(default_factory=_doubles)
    direct_ms: array[float] = field(default_factory=_doubles)
    used_stale: int = 0
    pricing_on_stale: int = 0
    depth_misses: int = 0
    sequence_gaps: int = 0

    def take(
        self,
        use_case: str,
        meta: MDCacheMeta,
        fetch_ms: float,
        direct_ms: float,
        served: MarketData | None,
        true: OrderBook | None,
    ) -> None:
        """Take one read, at the moment its reader has it."""
        statuses = self.statuses.get(use_case)
        if statuses is None:
            statuses = self.statuses[use_case] = Counter()
            self.costs[use_case] = Cost()
        statuses[meta.status] += 1
        self.costs[use_case].judge(served, true)
        if meta.age_ms is not None:
            self.age_ms.append(meta.age_ms)
        self.fetch_ms.append(fetch_ms)
        self.direct_ms.append(direct_ms)
        self.used_stale += meta.used_stale
        self.pricing_on_stale += meta.used_stale and use_case == "pricing"
        self.depth_misses += meta.depth_miss
        self.sequence_gaps += meta.sequence_gap

    @classmethod
    def total(cls, tallies: Iterable[Tally]) -> Self:
        """All of them as one, in the order given."""
        whole = cls()
        for tally in tallies:
            for use_case, statuses in tally.statuses.items():
                whole.statuses.setdefault(use_case, Counter()).update(statuses)
                whole.costs.setdefault(use_case, Cost()).__iadd__(tally.costs[use_case])
            whole.age_ms.extend(tally.age_ms)
            whole.fetch_ms.extend(tally.fetch_ms)
            whole.direct_ms.extend(tally.direct_ms)
            whole.used_stale += tally.used_stale
            whole.pricing_on_stale += tally.pricing_on_stale
            whole.depth_misses += tally.depth_misses
            whole.sequence_gaps += tally.sequence_gaps
        return whole
