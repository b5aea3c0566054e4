"""The cost of stale market data: reads that used it, fills quoted from it, and their cost compared with other fills.

This is an association, not a cause: stale books are served at busy times, which cost more in any case. The causal test
is an experiment (`calib ab`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from calib.dataset.markouts import HORIZONS_S
from calib.feeds.contracts import Contracts, in_linear_terms

STALE: Final = "stale"
FRESH: Final = "fresh"
UNKNOWN: Final = "unknown"
GROUPS: Final = (STALE, FRESH, UNKNOWN)
"""Whether a fill's quote used a stale book, a fresh one, or is unknown."""
SOURCES: Final = ("fill", "quote", "tick")
"""Where ``used_stale`` was found, in order of precedence: the fill, its quote, the tick that quoted."""
UNJOINED: Final = ("no_quote_time", "no_tick", "tick_unknown")
"""Why it is unknown: the fill has no quote time, no logged tick covers it, or that tick lacks ``used_stale``."""


@dataclass(frozen=True, slots=True)
class ReadFigures:
    """Market-data reads over the range, one per tick.

    Parameters
    ----------
    lines
        Number of tick lines.
    ticks
        Number of ticks that the lines represent (``sample_rate``).
    stale_lines, stale_ticks
        Those with ``used_stale`` true.
    unknown_lines
        Lines without ``used_stale``.
    sampled_lines
        Lines that represent more than one tick.
    """

    lines: int = 0
    ticks: int = 0
    stale_lines: int = 0
    stale_ticks: int = 0
    unknown_lines: int = 0
    sampled_lines: int = 0

    def plus(self, other: ReadFigures) -> ReadFigures:
        """Return the sum of both."""
        return ReadFigures(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class StaleFillFigures:
    """Figures of the fills of one group.

    Parameters
    ----------
    fills
        Number of fills.
    notional
        Sum of price x qty, quote currency.
    net_notional
        Notional signed by side (buy positive), by symbol, sorted.
    slippage_bps
        Mean of ``s (p - quote_price) / quote_price x 1e4`` (else the logged figure), weighted by notional; None if no
        fill has one.
    net_bps
        Mean of ``s (mid_now - p) / mid_at_quote x 1e4 - fee_bps``, weighted by notional; None if no fill has one.
    markouts
        By name (``markout_1s_bps`` ...) the mean of ``s (mid h later - mid_now) / mid_at_quote x 1e4`` of maker fills,
        weighted by notional; None if no fill has one, for example without a book feed.
    """

    fills: int
    notional: float
    net_notional: Mapping[str, float]
    slippage_bps: float | None
    net_bps: float | None
    markouts: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def exposure(self) -> float:
        """Sum over symbols of |signed notional|: the position built by these fills, quote currency."""
        return math.fsum(abs(value) for value in self.net_notional.values())


@dataclass(frozen=True, slots=True)
class PolicyAssessment:
    """The result of an assessment.

    Parameters
    ----------
    reads
        Reads by symbol, sorted.
    groups
        Figures of the fills by group: ``stale``, ``fresh``, ``unknown``.
    sources
        Number of fills by the source of ``used_stale``: ``fill``, ``quote``, ``tick``.
    unjoined
        Number of fills of the group ``unknown`` by reason.
    stale_by_symbol
        Figures of the stale fills by symbol, sorted.
    """

    reads: Mapping[str, ReadFigures]
    groups: Mapping[str, StaleFillFigures]
    sources: Mapping[str, int]
    unjoined: Mapping[str, int]
    stale_by_symbol: Mapping[str, StaleFillFigures]

    @property
    def reads_total(self) -> ReadFigures:
        """Reads of all symbols."""
        total = ReadFigures()
        for one in self.reads.values():
            total = total.plus(one)
        return total

    @property
    def sampled(self) -> bool:
        """Whether a tick line represents more than one tick, so that most quoting ticks were not logged."""
        return self.reads_total.sampled_lines > 0

    def difference(self, name: str) -> float | None:
        """Return stale minus fresh of ``slippage_bps``, ``net_bps`` or a markout, bps; None if either is missing."""
        stale, fresh = (
            one.markouts.get(name) if name in HORIZONS_S else getattr(one, name)
            for one in (self.groups[STALE], self.groups[FRESH])
        )
        return None if stale is None or fresh is None else stale - fresh


@dataclass(slots=True)
class _Sums:
    """Terms of one group's figures, summed with `math.fsum` so that their order does not matter."""

    fills: int = 0
    notional: list[float] = field(default_factory=list)
    signed: dict[str, list[float]] = field(default_factory=dict)
    slippage: list[tuple[float, float]] = field(default_factory=list)
    net: list[tuple[float, float]] = field(default_factory=list)
    markouts: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {name: [] for name in HORIZONS_S})

    def add(self, fill: Mapping[str, Any], fee_bps: float) -> None:
        sign = 1.0 if fill["side"] == "buy" else -1.0
        price, notional = fill["price"], fill["price"] * fill["qty"]
        self.fills += 1
        self.notional.append(notional)
        self.signed.setdefault(fill["symbol"], []).append(sign * notional)
        slippage = fill["slip_bps"]
        if fill["quote_price"] is not None:
            slippage = sign * (price - fill["quote_price"]) / fill["quote_price"] * 1e4
        if slippage is not None:
            self.slippage.append((notional, slippage))
        if fill["mid_now"] is not None:
            mid = fill["mid_now"] if fill["mid_at_quote"] is None else fill["mid_at_quote"]
            self.net.append((notional, sign * (fill["mid_now"] - price) / mid * 1e4 - fee_bps))
        for name, terms in self.markouts.items():
            if fill.get(name) is not None:
                terms.append((notional, fill[name]))

    def figures(self) -> StaleFillFigures:
        return StaleFillFigures(
            self.fills,
            math.fsum(self.notional),
            {symbol: math.fsum(terms) for symbol, terms in sorted(self.signed.items())},
            _mean(self.slippage),
            _mean(self.net),
            {name: _mean(terms) for name, terms in self.markouts.items()},
        )


def _mean(terms: list[tuple[float, float]]) -> float | None:
    weight = math.fsum(notional for notional, _ in terms)
    return math.fsum(notional * value for notional, value in terms) / weight if weight else None


def assess(
    reads: Mapping[str, ReadFigures],
    fills: Iterable[tuple[Mapping[str, Any], bool | None, str]],
    *,
    maker_fee_bps: float = 0.0,
    taker_fee_bps: float = 0.0,
    contracts: Contracts | None = None,
) -> PolicyAssessment:
    """Compute the assessment from reads and fills.

    Parameters
    ----------
    reads
        Reads by symbol.
    fills
        ``(line, used_stale, source or reason)``: a source of `SOURCES` if ``used_stale`` is known, else a reason of
        `UNJOINED`.
    maker_fee_bps, taker_fee_bps
        Fee of a fill without ``fee_bps``, bps.
    contracts
        The contract of each symbol whose quantities are in contracts.

    >>> fill = {"symbol": "X", "side": "buy", "price": 100.0, "qty": 2.0, "liquidity": "maker", "quote_price": 100.0,
    ...         "mid_at_quote": 100.0, "mid_now": 99.9, "slip_bps": None, "fee_bps": None}
    >>> found = assess({}, [(fill, True, "fill"), (fill | {"mid_now": 100.1}, False, "tick")])
    >>> found.groups["stale"].notional, round(found.difference("net_bps"), 9)
    (200.0, -20.0)
    """
    groups = {name: _Sums() for name in GROUPS}
    stale: dict[str, _Sums] = {}
    sources, unjoined = dict.fromkeys(SOURCES, 0), dict.fromkeys(UNJOINED, 0)
    fees = {"maker": maker_fee_bps, "taker": taker_fee_bps}
    for fill, used_stale, why in fills:
        line = in_linear_terms(fill, contracts or {})
        fee_bps = fees[line["liquidity"]] if line["fee_bps"] is None else line["fee_bps"]
        group = UNKNOWN if used_stale is None else STALE if used_stale else FRESH
        counts = unjoined if used_stale is None else sources
        counts[why] += 1
        groups[group].add(line, fee_bps)
        if group == STALE:
            stale.setdefault(line["symbol"], _Sums()).add(line, fee_bps)
    return PolicyAssessment(
        dict(sorted(reads.items())),
        {name: sums.figures() for name, sums in groups.items()},
        sources,
        unjoined,
        {symbol: sums.figures() for symbol, sums in sorted(stale.items())},
    )
