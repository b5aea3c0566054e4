"""Recovery of a known fill intensity over many seeds: how often the intervals contain the true value.

    python -m benchmarks.fit_recovery                # the table of docs/explanation/fit-method.md, about 5 minutes
    python -m benchmarks.fit_recovery --seeds 20     # fewer, for a quick check

A run is an hour of quotes on both sides of a mid that moves four times a second. Each quote is filled at the rate
A exp(-k delta) with delta as it changes while it rests; the fit is that of the library, from quotes and mids.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calib.fitting.arrays import Floats
from calib.fitting.exposure import Exposure, QuoteSpans, cut_exposure
from calib.fitting.glft import QuotingInputs, exact_quotes
from calib.fitting.intensity import IntensityFit, Pieces, fit_intensity
from calib.fitting.recommend import recommend
from calib.fitting.sigma import fit_sigma
from calib.fitting.special import normal_quantile
from calib.recorded.mids import Mids

A, K = 0.5, 0.8
STEP_BPS = 0.25
SIGMA = STEP_BPS * math.sqrt(4 * 2 / 3)
"""Of the mid: moves of -.25, 0 or .25 bps, alike, four times a second."""
LIFE_S = 0.5
"""Short, so that few quotes fill: with varying rates A would else be a mean weighted by what is left of exposure."""
GAMMA = 0.1


@dataclass(frozen=True)
class Hour:
    """Mids and quotes of one run, filled."""

    mids: Mids
    quotes: QuoteSpans


def hour(seed: int, *, seconds: int = 3600, every_s: float = 0.5, a: float = A, bursts: bool = False) -> Hour:
    """One run; with ``bursts`` the rate of each minute is multiplied by a gamma of mean 1 and variance .5."""
    random = np.random.default_rng(seed)
    times = np.arange(0, seconds + 60, 0.25)
    steps = random.choice([-STEP_BPS, 0.0, STEP_BPS], len(times)) * 1e-4
    mids = Mids.of(times, 100 * np.exp(np.cumsum(steps)))
    opened = np.arange(5.0, seconds - 5.0, every_s) + random.uniform(
        0, 0.2, len(np.arange(5.0, seconds - 5.0, every_s))
    )
    sign = np.where(np.arange(len(opened)) % 2 == 0, 1.0, -1.0)
    price = mids.at(opened, 60) * (1 - sign * random.uniform(1.0, 5.0, len(opened)) * 1e-4)
    no = np.zeros(len(opened), bool)
    resting = QuoteSpans(sign, price, opened, opened + LIFE_S, no, no, np.full(len(opened), np.nan))
    found = cut_exposure(resting, mids, max_age_s=60, min_delta_bps=-1e9)
    factor = random.gamma(2.0, 0.5, seconds // 60 + 2) if bursts else np.ones(seconds // 60 + 2)
    return Hour(mids, _filled(resting, found, a, factor, random))


def _filled(resting: QuoteSpans, found: Exposure, a: float, factor: Floats, random: np.random.Generator) -> QuoteSpans:
    """Each quote's first event of a Poisson process with the rate of its pieces."""
    pieces = found.pieces
    hazard = a * np.exp(-K * pieces.delta_bps) * factor[pieces.cluster]
    order = np.lexsort((found.begin_s, found.quote))
    quote, begin, rate = found.quote[order], found.begin_s[order], hazard[order]
    total = rate * pieces.exposure_s[order]
    first = np.append(True, np.diff(quote) != 0)
    before = np.cumsum(total) - total
    before -= np.repeat(before[first], np.diff(np.append(np.flatnonzero(first), len(quote))))
    wanted = random.exponential(1.0, len(resting))[quote]
    inside = (before < wanted) & (wanted <= before + total)
    end, filled = resting.end_s.copy(), np.zeros(len(resting), bool)
    end[quote[inside]] = (begin + (wanted - before) / rate)[inside]
    filled[quote[inside]] = True
    return replace(resting, end_s=end, filled=filled)


def studied(run: Hour, min_delta_bps: float = 0.0) -> Pieces:
    return cut_exposure(run.quotes, run.mids, max_age_s=60, min_delta_bps=min_delta_bps).pieces


@dataclass
class Coverage:
    """How often intervals contained the true value, and the mean of the estimates."""

    hits: int = 0
    total: int = 0
    sum: float = 0.0

    def add(self, est: float, low: float | None, high: float | None, truth: float) -> None:
        self.total += 1
        self.sum += est
        self.hits += low is not None and high is not None and low <= truth <= high

    def line(self, name: str, truth: float) -> str:
        share = self.hits / self.total
        error = math.sqrt(0.95 * 0.05 / self.total)
        apart = (share - 0.95) / error
        return f"| {name} | {truth:g} | {self.sum / self.total:.4f} | {share:.3f} | {apart:+.1f} | {self.total} |"


def fisher_interval(fit: IntensityFit) -> tuple[float, float]:
    se = math.sqrt(fit.fisher[0, 0]) * normal_quantile(0.95)
    return math.exp(fit.log_a - se), math.exp(fit.log_a + se)


def run_all(seeds: int) -> list[str]:
    names = ("Poisson, A", "Poisson, k", "bursts, A", "bursts, A by Fisher alone", "bursts, k")
    found: dict[str, Coverage] = {name: Coverage() for name in (*names, "few fills, k (profile)", "half", "skew")}
    truth = exact_quotes(QuotingInputs(A, K, SIGMA), GAMMA)
    assert truth is not None
    for seed in range(seeds):
        run = hour(seed)
        fit = fit_intensity(studied(run))
        assert fit is not None
        found["Poisson, A"].add(fit.a_per_s.est, fit.a_per_s.low, fit.a_per_s.high, A)
        found["Poisson, k"].add(fit.k.est, fit.k.low, fit.k.high, K)
        sigma = fit_sigma(run.mids, start_s=0, end_s=3600, max_age_s=60)
        assert sigma is not None
        quotes = recommend(fit, sigma, GAMMA, 0.0, level=0.95)
        assert quotes is not None
        found["half"].add(quotes.half.est, quotes.half.low, quotes.half.high, truth.half_bps)
        found["skew"].add(quotes.skew.est, quotes.skew.low, quotes.skew.high, truth.skew_bps)
        fit = fit_intensity(studied(hour(seed, bursts=True)))
        assert fit is not None
        found["bursts, A"].add(fit.a_per_s.est, fit.a_per_s.low, fit.a_per_s.high, A)
        found["bursts, A by Fisher alone"].add(fit.a_per_s.est, *fisher_interval(fit), A)
        found["bursts, k"].add(fit.k.est, fit.k.low, fit.k.high, K)
        fit = fit_intensity(studied(hour(seed, seconds=360)))
        if fit is not None and fit.interval == "profile":
            found["few fills, k (profile)"].add(fit.k.est, fit.k.low, fit.k.high, K)
    true: dict[str, float] = {"half": truth.half_bps, "skew": truth.skew_bps}
    head = [
        "| interval at 95 % | truth | mean estimate | coverage | standard errors from .95 | runs |",
        "|---|---|---|---|---|---|",
    ]
    lines = [one.line(_shown(name), true.get(name, A if "A" in name else K)) for name, one in found.items()]
    return [*head, *lines, "", *_traps(min(seeds, 50))]


def _shown(name: str) -> str:
    return {"half": "half-spread, gamma .1", "skew": "skew, gamma .1"}.get(name, name)


def _uncut(run: Hour) -> Pieces:
    """The distance at the opening for the whole life: a known error of the method."""
    quotes = run.quotes
    base = run.mids.at(quotes.open_s, 60)
    delta = quotes.sign * (base - quotes.price) / base * 1e4
    cluster = np.floor(quotes.open_s / 60).astype(np.int64)
    return Pieces(delta, quotes.end_s - quotes.open_s, quotes.filled.astype(float), cluster)


def _late(run: Hour) -> Pieces:
    """Fills stamped 50 ms late, with the mid a tick towards the quote at the fill."""
    quotes, mids = run.quotes, run.mids
    at = quotes.end_s[quotes.filled]
    level = mids.at(at, 60) * (1 - quotes.sign[quotes.filled] * 2 * STEP_BPS * 1e-4)
    times = np.concatenate([mids.times_s, at])
    order = np.argsort(times, kind="stable")
    jumped = Mids.of(times[order], np.concatenate([mids.values, level])[order])
    late = replace(quotes, end_s=np.where(quotes.filled, quotes.end_s + 0.05, quotes.end_s))
    return cut_exposure(late, jumped, max_age_s=60).pieces


def _traps(seeds: int) -> list[str]:
    ways: dict[str, Callable[[Hour], Pieces]] = {
        "as the library does": studied,
        "distances not cut at the mid's changes": _uncut,
        "fills stamped 50 ms late, the mid jumping at them": _late,
    }
    sums: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for seed in range(seeds):
        run = hour(seed)
        for name, way in ways.items():
            fit: Any = fit_intensity(way(run))
            if fit is not None:
                sums[name].append((fit.a_per_s.est, fit.k_per_bps))
    lines = ["| way | mean A for .5 | mean k for .8 |", "|---|---|---|"]
    for name, pairs in sums.items():
        mean = np.array(pairs).mean(axis=0)
        lines.append(f"| {name} | {mean[0]:.3f} | {mean[1]:.3f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    asked = parser.parse_args()
    begin = time.perf_counter()
    print("\n".join(run_all(asked.seeds)))
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
