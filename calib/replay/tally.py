"""Statistics of the reads of a replay; exact quantiles are computed at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from calib.files import AnonymousTempFile
from calib.replay.sample import HELD, Sample

if TYPE_CHECKING:
    from calib.market import MDCacheMeta, OrderBook
    from calib.pipeline import MarketData


@dataclass(slots=True)
class Cost:
    """The cost of staleness, over reads that returned a book while the true one was known.

    Parameters
    ----------
    error_bps
        |served mid - true mid| / true mid when the reader received the book, bps.
    top_price
        Number of reads whose best bid or ask price differs from the true one.
    top
        Number of reads whose best price or quantity differs.
    over_half_spread
        Number of reads whose error exceeds half the true spread.
    """

    error_bps: Sample
    top_price: int = 0
    top: int = 0
    over_half_spread: int = 0
    no_truth: int = 0
    no_book: int = 0

    def judge(self, served: MarketData | None, true: OrderBook | None) -> float | None:
        """Compare the served book with the true one; returns the error in bps, None without either."""
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
        self.error_bps.new.append(error_bps)
        if served_bid != bid or served_ask != ask:
            self.top += 1
            self.top_price += served_bid[0] != bid[0] or served_ask[0] != ask[0]
        self.over_half_spread += off > (ask[0] - bid[0]) / 2
        return error_bps

    def __iadd__(self, other: Self) -> Self:
        self.error_bps.include(other.error_bps)
        self.top_price += other.top_price
        self.top += other.top
        self.over_half_spread += other.over_half_spread
        self.no_truth += other.no_truth
        self.no_book += other.no_book
        return self


class ReadTally:
    """Statistics of the reads of one symbol.

    Parameters
    ----------
    file
        Holds values that do not fit into memory.

    Attributes
    ----------
    statuses
        Number of reads by use case and status.
    costs
        Cost of staleness by use case.
    age_ms
        Ages of the books that were served.
    fetch_ms
        Duration of each read.
    direct_ms
        Duration of each read without a cache.
    """

    __slots__ = ("_file", "age_ms", "costs", "depth_misses", "direct_ms", "fetch_ms", "pricing_on_stale",
                 "sequence_gaps", "statuses", "used_stale")  # fmt: skip

    def __init__(self, file: AnonymousTempFile) -> None:
        self._file = file
        self.statuses: dict[str, Counter[str]] = {}
        self.costs: dict[str, Cost] = {}
        self.age_ms, self.fetch_ms, self.direct_ms = Sample(file), Sample(file), Sample(file)
        self.used_stale = self.pricing_on_stale = self.depth_misses = self.sequence_gaps = 0

    def take(
        self,
        use_case: str,
        meta: MDCacheMeta,
        fetch_ms: float,
        direct_ms: float,
        served: MarketData | None,
        true: OrderBook | None,
    ) -> float | None:
        """Add one read when its reader receives the result; returns its error in bps, None if it is unknown."""
        statuses = self.statuses.get(use_case)
        if statuses is None:
            statuses = self.statuses[use_case] = Counter()
            self.costs[use_case] = Cost(Sample(self._file))
        statuses[meta.status] += 1
        error_bps = self.costs[use_case].judge(served, true)
        if meta.age_ms is not None:
            self.age_ms.new.append(meta.age_ms)
        self.fetch_ms.new.append(fetch_ms)
        self.direct_ms.new.append(direct_ms)
        if len(self.fetch_ms.new) >= HELD:
            for sample in self._samples():
                sample.settle()
        self.used_stale += meta.used_stale
        self.pricing_on_stale += meta.used_stale and use_case == "pricing"
        self.depth_misses += meta.depth_miss
        self.sequence_gaps += meta.sequence_gap
        return error_bps

    @property
    def cost(self) -> Cost:
        """The cost over all use cases."""
        whole = Cost(Sample(self._file))
        for use_case in sorted(self.costs):
            whole += self.costs[use_case]
        return whole

    @classmethod
    def total(cls, tallies: Iterable[ReadTally], file: AnonymousTempFile) -> Self:
        """All of them combined, in the given order; the result refers to the originals."""
        whole = cls(file)
        for tally in tallies:
            for use_case, statuses in tally.statuses.items():
                whole.statuses.setdefault(use_case, Counter()).update(statuses)
                whole.costs.setdefault(use_case, Cost(Sample(file))).__iadd__(tally.costs[use_case])
            whole.age_ms.include(tally.age_ms)
            whole.fetch_ms.include(tally.fetch_ms)
            whole.direct_ms.include(tally.direct_ms)
            whole.used_stale += tally.used_stale
            whole.pricing_on_stale += tally.pricing_on_stale
            whole.depth_misses += tally.depth_misses
            whole.sequence_gaps += tally.sequence_gaps
        return whole

    def _samples(self) -> list[Sample]:
        return [self.age_ms, self.fetch_ms, self.direct_ms, *(cost.error_bps for cost in self.costs.values())]
