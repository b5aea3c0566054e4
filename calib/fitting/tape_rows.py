"""The rows of a symbol without quotes of ours: the upper bound from public trades."""

from __future__ import annotations

from typing import Any

import numpy as np

from calib.fitting.clocks import OneClock
from calib.fitting.loading import SymbolRows
from calib.fitting.options import FitOptions
from calib.fitting.sigma import Sigma
from calib.fitting.tape import Reach, fit_tape, reach_of
from calib.fitting.verdict import judge

_BIN_EDGES = 9


def tape_rows(
    rows: SymbolRows, clock: OneClock, span: tuple[float, float], options: FitOptions, sigma: Sigma | None
) -> list[dict[str, Any]]:
    """One row per side, marked ``upper_bound``; the verdict is always ``NOT_ENOUGH_DATA``."""
    times = clock.fill_times(rows.trades.ts, rows.trades.ts_exchange)
    start = max(span[0], float(clock.mids.times_s[0])) if len(clock.mids) else span[0]
    end = min(span[1], clock.mids.end_s) if len(clock.mids) else span[0]
    reaches = {
        side: reach_of(rows.trades, times, clock.mids, side, start, end, options.max_mid_age_s)
        for side in ("buy", "sell")
    }
    chosen = {"both": [reaches["buy"], reaches["sell"]], "buy": [reaches["buy"]], "sell": [reaches["sell"]]}
    return [_row(rows.symbol, side, parts, options, sigma) for side, parts in chosen.items()]


def _row(symbol: str, side: str, reaches: list[Reach], options: FitOptions, sigma: Sigma | None) -> dict[str, Any]:
    windows = sum(len(one.reach_bps) for one in reaches)
    fit = fit_tape(reaches, level=options.level, cluster_s=options.cluster_s) if windows else None
    reasons = ["upper_bound", *(["no_mids"] if not windows else [] if fit else ["nothing_to_fit"])]
    verdict = judge(reasons, None)
    intensity = None
    if fit is not None:
        intensity = {
            "source": "trades",
            "upper_bound": True,
            "A_per_s": fit.a_per_s.as_json(),
            "k_per_bps": fit.k.as_json(),
            "half_at_gamma_0_bps": 1 / fit.k.est,
            "cov": [[float(value) for value in row] for row in fit.cov],
            "interval": "sandwich",
            "share_filled": None,
            "bins": _bins(reaches, options.level),
            "checks": None,
        }
    return {
        "symbol": symbol,
        "side": side,
        "n": {"quotes": 0, "fills": 0, "run_over": 0, "clusters": 0 if fit is None else fit.clusters},
        "exposure_s": float(sum(len(one.reach_bps) * one.window_s for one in reaches)),
        "intensity": intensity,
        "sigma": None if sigma is None else sigma.as_json(),
        "quotes": [],
        "queue": [],
        "model": None,
        "walk_forward": None,
        "verdict": verdict.verdict,
        "reasons": list(verdict.reasons),
        "warnings": [],
    }


def _bins(reaches: list[Reach], level: float) -> list[dict[str, Any]]:
    """Rates of arrivals past some distances: cumulative, unlike the bins of quotes."""
    reach = np.concatenate([one.reach_bps for one in reaches])
    some = reach[reach > 0]
    if not len(some):
        return []
    pooled = Reach(reach, np.zeros(len(reach)), reaches[0].window_s)
    rows = []
    for distance in np.unique(np.quantile(some, np.arange(_BIN_EDGES) / _BIN_EDGES)).tolist():
        low, high = pooled.rate_interval(distance, level)
        rate = {"est": pooled.rate(distance), "low": low, "high": high}
        rows.append({"beyond_bps": distance, "windows": len(reach), "rate_per_s": rate})
    return rows
