"""The study of one symbol: joins and splits its quotes, fits and judges each side, and creates the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Bools, Floats
from calib.fitting.checks import check_fit
from calib.fitting.clocks import OneClock, one_clock_of, too_coarse
from calib.fitting.estimate import Estimate, finite
from calib.fitting.exposure import HIT, RUN_OVER, WITHDRAWN, Exposure, cut_exposure
from calib.fitting.forecast import QuoteTable, by_day, covariates_at_open, model_json
from calib.fitting.glft import quote_constant
from calib.fitting.intensity import IntensityFit, Pieces, fit_intensity
from calib.fitting.joins import Joined, join_quotes
from calib.fitting.loading import SymbolRows
from calib.fitting.options import FitOptions
from calib.fitting.queueing import Waits, queue_table
from calib.fitting.recommend import Recommendation, recommend
from calib.fitting.sigma import Sigma, fit_sigma
from calib.fitting.tape_rows import tape_rows
from calib.fitting.verdict import judge, quality
from calib.fitting.walk_forward import DAY_S, RateInUse, walk_forward

SIDES: Final = ("both", "buy", "sell")
MIN_FILLS_FOR_A_NUMBER: Final = 10
"""With fewer fills no intensity is reported."""
IMPACT_HORIZON_S: Final = 10.0
MAX_REPEATED: Final = 0.01
MAX_OUTSIDE: Final = 0.05
WARN_FILLED: Final = 0.2
"""Fraction of filled quotes above which A may be below its mean over time."""


@dataclass(slots=True)
class SymbolStudy:
    """The study of one symbol.

    Parameters
    ----------
    rows
        The rows of its feeds.
    span
        The range, s.
    options
        See `FitOptions`.
    in_use
        A and k of the published calibration, by side.
    has_fills
        Whether the range has a fills feed.
    """

    rows: SymbolRows
    span: tuple[float, float]
    options: FitOptions
    in_use: Mapping[str, RateInUse]
    has_fills: bool
    clock: OneClock = field(init=False)
    joined: Joined = field(init=False)
    exposure: Exposure = field(init=False)
    sigma: Sigma | None = field(init=False)

    def __post_init__(self) -> None:
        rows, options = self.rows, self.options
        self.clock = one_clock_of(rows, options)
        fill_s = self.clock.fill_times(rows.fills.ts, rows.fills.ts_exchange)
        fills = rows.fills if self.has_fills else None
        self.joined = join_quotes(rows.quotes, fills, fill_s, shift_s=self.clock.shift_s)
        self.exposure = cut_exposure(
            self.joined.spans,
            self.clock.mids,
            min_delta_bps=options.min_delta_bps,
            max_age_s=options.max_mid_age_s,
            cluster_s=options.cluster_s,
        )
        start, end = self.span
        self.sigma = None
        if len(self.clock.mids):
            start = max(start, float(self.clock.mids.times_s[0]))
            end = min(end, self.clock.mids.end_s)
            self.sigma = fit_sigma(
                self.clock.mids, start_s=start, end_s=end, max_age_s=options.max_mid_age_s, level=options.level
            )

    def refused(self) -> Counter[str]:
        """Number of excluded quotes, by reason."""
        return self.joined.refused + self.exposure.refused

    def joins_json(self) -> dict[str, Any]:
        """The counts of the joins."""
        cause, rows = self.exposure.cause, self.rows
        used = int((cause >= 0).sum()) - self.exposure.refused["no_exposure"]
        return {
            "quotes": len(rows.quotes),
            "used": used,
            "refused": dict(sorted(self.refused().items())),
            "notes": dict(sorted(self.joined.notes.items())),
            "fills": self.joined.fills,
            "no_quote": self.joined.no_quote,
            "run_over": int((cause == RUN_OVER).sum()),
            "exposure_dropped_s": self.exposure.dropped_s,
            "mid_source": self.clock.source,
            "clock": self.clock.clock,
            "clock_shift_s": self.clock.shift_s,
        }

    def entries(self) -> list[dict[str, Any]]:
        """One row per side, sorted by name of the side."""
        if not len(self.rows.quotes) and len(self.rows.trades):
            return tape_rows(self.rows, self.clock, self.span, self.options, self.sigma)
        lacking = self._lacking()
        pooled = None if lacking else self._fitted("both")
        impact = self._impact()
        return [self._entry(side, lacking, pooled, impact) for side in SIDES]

    def _lacking(self) -> list[str]:
        """Reasons why nothing can be fitted for the symbol."""
        quotes = len(self.rows.quotes)
        matched = int(self.joined.spans.filled.sum())
        life = self.joined.spans.end_s - self.joined.spans.open_s
        median = float(np.median(life[life > 0])) if (life > 0).any() else 0.0
        outside = self.joined.notes["fill_outside_life"]
        tests = {
            "no_quotes": not quotes,
            "repeated_quote_ids": self.joined.refused["repeated_quote_id"] > MAX_REPEATED * quotes,
            "clocks_disagree": not self.clock.agree or outside > MAX_OUTSIDE * max(1, matched),
            "no_mids": bool(quotes) and not len(self.exposure.pieces) and not (self.exposure.cause == RUN_OVER).any(),
            "mids_too_coarse": bool(quotes) and too_coarse(self.clock, median),
        }
        return [reason for reason, hit in tests.items() if hit]

    def _fitted(self, side: str) -> IntensityFit | None:
        pieces, _ = self.exposure.of_side(side)
        if pieces.n_fills < MIN_FILLS_FOR_A_NUMBER:
            return None
        return fit_intensity(pieces, level=self.options.level)

    def _of_side(self, side: str) -> Bools:
        sign = self.joined.spans.sign
        return np.ones(len(sign), bool) if side == "both" else sign == (1.0 if side == "buy" else -1.0)

    def _impact(self) -> float:
        """Mean move of the mid against us within 10 s after the fills that the intensity counts, at least 0, bps."""
        spans, mids, age = self.joined.spans, self.clock.mids, self.options.max_mid_age_s
        hit = self.exposure.cause == HIT
        times = spans.end_s[hit]
        before = mids.at(times, age, before=True)
        after = mids.at(times + IMPACT_HORIZON_S, age)
        after[mids.broken(times, times + IMPACT_HORIZON_S)] = np.nan
        moves = -spans.sign[hit] * (after - before) / self.exposure.base[hit] * 1e4
        known = moves[np.isfinite(moves)]
        return max(0.0, float(known.mean())) if len(known) else 0.0

    def _quotes(self, fit: IntensityFit | None, impact: float) -> list[Recommendation]:
        if fit is None or self.sigma is None or fit.k_per_bps <= 0:
            return []
        found = (recommend(fit, self.sigma, gamma, impact, level=self.options.level) for gamma in self.options.gammas)
        return [one for one in found if one is not None]

    def _entry(self, side: str, lacking: list[str], pooled: IntensityFit | None, impact: float) -> dict[str, Any]:
        pieces, begin = self.exposure.of_side(side)
        mine = self._of_side(side)
        cause = self.exposure.cause[mine]
        counts = {
            "quotes": int((cause >= 0).sum()),
            "fills": int(pieces.n_fills),
            "run_over": int((cause == RUN_OVER).sum()),
            "clusters": pieces.n_clusters,
        }
        entry: dict[str, Any] = {
            "symbol": self.rows.symbol,
            "side": side,
            "n": counts,
            "exposure_s": float(pieces.exposure_s.sum()),
            "intensity": None,
            "sigma": None if self.sigma is None or lacking else self.sigma.as_json(),
            "quotes": [],
            "queue": [],
            "model": None,
            "walk_forward": None,
        }
        fit = None if lacking else (pooled if side == "both" else self._fitted(side))
        if lacking or fit is None:
            reasons = lacking or self._without_fit(counts, pieces)
            verdict = judge(reasons, None)
            return entry | {"verdict": verdict.verdict, "reasons": list(verdict.reasons)}
        checks = check_fit(begin, pieces, fit, level=self.options.level)
        quotes = self._quotes(pooled, impact)
        reasons = quality(fit, checks, pieces.n_fills, counts["clusters"], quotes, has_sigma=self.sigma is not None)
        table = self._table(mine)
        walk = walk_forward(
            pieces,
            begin,
            level=self.options.level,
            in_use=self.in_use.get(side),
            spread=self._spread(impact),
            forecast=partial(by_day, table),
        )
        verdict = judge(reasons, walk)
        shown = [] if reasons else [self._with_side(one, fit) for one in quotes]
        return entry | {
            "intensity": self._intensity_json(fit, pieces, checks, counts),
            "quotes": shown,
            "queue": queue_table(self._waits(mine), self._absorb(side), level=self.options.level),
            "model": model_json(table),
            "walk_forward": walk.as_json(),
            "verdict": verdict.verdict,
            "reasons": list(verdict.reasons),
            "warnings": self._warnings(counts, quotes, side),
        }

    def _without_fit(self, counts: Mapping[str, int], pieces: Pieces) -> list[str]:
        if counts["fills"] == 0:
            return ["all_run_over" if counts["run_over"] else "nothing_to_fit"]
        if counts["fills"] < MIN_FILLS_FOR_A_NUMBER:
            return ["too_few_fills"]
        return ["k_not_identified"]

    def _spread(self, impact: float) -> Any:
        """A function for the half-spread of a fit: for the first gamma, else 1/k."""

        def by_k(fit: IntensityFit) -> Estimate | None:
            low, high = fit.k.low, fit.k.high
            if fit.k_per_bps <= 0 or low is None or high is None or low <= 0:
                return None
            return Estimate(1 / fit.k_per_bps, 1 / high, 1 / low)

        def by_quotes(fit: IntensityFit) -> Estimate | None:
            found = self._quotes(fit, impact)
            return found[0].half if found else None

        return by_quotes if self.options.gammas else by_k

    def _with_side(self, one: Recommendation, fit: IntensityFit) -> dict[str, Any]:
        own = quote_constant(fit.k_per_bps, one.gamma) if fit.k_per_bps > 0 else None
        return {**one.as_json(), "c1_side_bps": finite(own)}

    def _intensity_json(
        self, fit: IntensityFit, pieces: Pieces, checks: Any, counts: Mapping[str, int]
    ) -> dict[str, Any]:
        return {
            "source": "quotes",
            "A_per_s": fit.a_per_s.as_json(),
            "k_per_bps": fit.k.as_json(),
            "half_at_gamma_0_bps": finite(1 / fit.k_per_bps) if fit.k_per_bps > 0 else None,
            "cov": [[float(value) for value in row] for row in fit.cov],
            "interval": fit.interval,
            "share_filled": counts["fills"] / counts["quotes"] if counts["quotes"] else None,
            "bins": [one.as_json() for one in checks.bins],
            "checks": checks.as_json(),
        }

    def _table(self, mine: Bools) -> QuoteTable:
        """The quotes of a side with a known end; every first fill counts, run over or not."""
        spans, cause = self.joined.spans, self.exposure.cause
        chosen = mine & (cause >= 0)
        base = self.exposure.base[chosen]
        sign, open_s = spans.sign[chosen], spans.open_s[chosen]
        delta = sign * (base - spans.price[chosen]) / base * 1e4
        rows = self.joined.rows.take(chosen)
        covariates = covariates_at_open(
            open_s, sign, delta, rows.queue_ahead_open, rows.qty, self.rows.tops, self.clock.clock
        )
        filled = (cause == HIT) | (cause == RUN_OVER)
        return QuoteTable(
            covariates,
            open_s,
            spans.end_s[chosen] - open_s,
            filled[chosen],
            (cause == WITHDRAWN)[chosen],
            np.floor(open_s / DAY_S).astype(np.int64),
        )

    def _waits(self, mine: Bools) -> Waits:
        spans, cause = self.joined.spans, self.exposure.cause
        chosen = mine & (cause >= 0)
        rows = self.joined.rows.take(chosen)
        return Waits((spans.end_s - spans.open_s)[chosen], cause[chosen], rows.queue_ahead_open, rows.qty)

    def _absorb(self, side: str) -> float | None:
        """Quantity per second that public trades take from the queue of such quotes; None without trades."""
        trades = self.rows.trades
        if not len(trades):
            return None
        took = trades.qty[trades.sign == (-1.0 if side == "buy" else 1.0)] if side != "both" else trades.qty / 2
        length = float(trades.ts[-1] - trades.ts[0])
        return float(took.sum()) / length if length > 0 and took.sum() > 0 else None

    def _warnings(self, counts: Mapping[str, int], quotes: list[Recommendation], side: str) -> list[str]:
        found = []
        if counts["quotes"] and counts["fills"] > WARN_FILLED * counts["quotes"]:
            found.append("many_quotes_fill")
        if any(one.closed_form_off for one in quotes):
            found.append("closed_form_off")
        if withdrawal_foretold(self.exposure, self.joined.spans.end_s, side):
            found.append("withdrawal_depends_on_move")
        return found


def withdrawal_foretold(exposure: Exposure, end_s: Floats, side: str) -> bool:
    """Whether quotes are withdrawn more often, or less, after the mid has moved since they were opened.

    Then "if left resting" is biased: the withdrawn quotes would have had other waiting times.
    """
    pieces, begin = exposure.of_side(side)
    if not len(pieces):
        return False
    quote = exposure.quote[exposure.part(side)]
    first = np.append(True, np.diff(quote) != 0)
    starts = np.flatnonzero(first)
    move = pieces.delta_bps - np.repeat(pieces.delta_bps[starts], np.diff(np.append(starts, len(quote))))
    last = np.append(first[1:], True)
    ends = np.abs(begin + pieces.exposure_s - end_s[quote]) < 1e-9
    withdrawn = (last & ends & (exposure.cause[quote] == WITHDRAWN)).astype(float)
    fit = fit_intensity(Pieces(move, pieces.exposure_s, withdrawn, pieces.cluster), level=0.99)
    return fit is not None and fit.k.low is not None and fit.k.high is not None and not fit.k.low <= 0 <= fit.k.high
