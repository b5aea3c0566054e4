"""False rollbacks of the sequential decision in markets that are hard on it, by simulation of blocks.

Part of ``python -m benchmarks.ab_error_rates``. Slippage of 10 symbols in blocks of a minute, for switchback (24 h) and
for persistent arms (24 h in which both run A, then 24 h). The tests are the classes of
`calib.experiments.sequential`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.experiments.routing import switchback_rule
from calib.experiments.sequential import PairedBlocks, SampleRatio, Switchback
from calib.experiments.sequential_decision import plan_of
from calib.experiments.settings import ABSettings

Floats = NDArray[np.float64]
SYMBOLS, DAY = 10, 1440
SETTINGS = ABSettings(assignment="switchback")
PLAN = plan_of(SETTINGS.gates[0], SETTINGS)


@dataclass(frozen=True)
class BlockMarket:
    """Sums and counts of fills by (block, run, symbol)."""

    sums: Floats
    counts: Floats


@dataclass(frozen=True)
class Kind:
    """What is hard about a market; standard deviations in bps, times in minutes."""

    name: str
    cycle: float = 0.0
    wander: float = 0.0
    wander_min: float = 360.0
    walk: float = 0.0
    """Drift of each symbol's level over a day."""
    degrees: float = 5.0
    """Student t of a fill; 1.5 has no variance."""
    zipf: bool = False
    missing: float = 0.0
    """Share of (symbol, block) without any data."""
    misaligned: bool = False
    """The bot's blocks are a few seconds off: a symbol that changed its arm is seen in both, and counts for neither."""


KINDS = (
    Kind("stationary"),
    Kind("daily cycle of each symbol, 0.5 bps", cycle=0.5),
    Kind("each symbol wanders, OU 6 h, 0.5 bps", wander=0.5),
    Kind("random walk, 0.5 bps a day", walk=0.5),
    Kind("random walk, 2 bps a day", walk=2.0),
    Kind("Zipf traffic", zipf=True),
    Kind("heavy tails, t 1.5", degrees=1.5),
    Kind("AR(1) 0.9 by the minute, 1 bps", wander=1.0, wander_min=-1 / math.log(0.9)),
    Kind("40 % of the units missing", missing=0.4),
    Kind("misaligned blocks", misaligned=True),
)


def make_market(rng: np.random.Generator, kind: Kind, blocks: int, runs: int) -> BlockMarket:
    """A = A; B's harm is added by whoever compares."""
    shape = (blocks, runs, SYMBOLS)
    rate = 2.0 * rng.lognormal(0, 0.5, (runs, SYMBOLS))
    if kind.zipf:
        rate = rng.permuted(np.tile(20 / np.arange(1, SYMBOLS + 1) ** 1.2, (runs, 1)), axis=1)
    counts = rng.poisson(rate, shape).astype(np.float64)
    level = rng.normal(0.3, 0.5, (runs, SYMBOLS)) + wander(rng, (blocks, runs, 1), 10, 0.5)
    level = level + wander(rng, shape, 50, 0.2)
    if kind.cycle:
        day = np.arange(blocks)[:, None, None] / DAY
        level = level + rng.normal(0, kind.cycle, shape[1:]) * np.sin(2 * np.pi * (day + rng.uniform(size=shape[1:])))
    if kind.wander:
        level = level + wander(rng, shape, kind.wander_min, kind.wander)
    if kind.walk:
        level = level + np.cumsum(rng.normal(0, kind.walk / math.sqrt(DAY), shape), axis=0)
    noise = 2.0 * rng.lognormal(0, 0.2, shape[1:]) / np.sqrt(np.maximum(counts, 1))
    mean = level + noise * rng.standard_t(kind.degrees, shape)
    if kind.missing:
        counts[rng.uniform(size=shape) < kind.missing] = 0
    return BlockMarket(mean * counts, counts)


def wander(rng: np.random.Generator, shape: tuple[int, ...], memory: float, sd: float) -> Floats:
    """An AR(1) along the first axis with stationary standard deviation ``sd``."""
    keep = math.exp(-1 / memory)
    steps = rng.normal(0, sd, shape)
    steps[1:] *= math.sqrt(1 - keep**2)
    for i in range(1, shape[0]):
        steps[i] += keep * steps[i - 1]
    return steps


def switchback_acts(kind: Kind, runs: int, harm: float, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Per run: blocks until the slippage gate acts, and whether the sample-ratio check ever acts falsely."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    market = make_market(rng, kind, DAY, runs)
    names = [f"S{i}" for i in range(SYMBOLS)]
    deals = [[switchback_rule(f"run{run}", names, block) for run in range(runs)] for block in range(DAY)]
    is_b = np.array([[[name in chosen for name in names] for chosen in row] for row in deals])
    test = Switchback(PLAN, (runs, SYMBOLS))
    found, mismatch = np.full(runs, np.inf), np.zeros(runs, dtype=np.bool_)
    units = np.zeros((2, runs))
    for block in range(DAY):
        counts = market.counts[block]
        if kind.misaligned and block:
            counts = np.where(is_b[block] == is_b[block - 1], counts, 0.0)
        sums = np.where(counts > 0, market.sums[block], 0.0) + harm * counts * is_b[block]
        test.update(sums, counts, is_b[block])
        found = np.where(np.isinf(found) & test.rejected, block + 1, found)
        units += [((counts > 0) & ~is_b[block]).sum(1), ((counts > 0) & is_b[block]).sum(1)]
        if block % 10 == 9:
            mismatch |= [SampleRatio(int(a), int(b), 0.5).significant for a, b in units.T]
    return found, mismatch


def persistent_acts(kind: Kind, runs: int, harm: float, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Per run: blocks from B's beginning until the gate acts, and whether the pre-period allowed a verdict."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    market = make_market(rng, kind, 2 * DAY, runs)
    in_b = rng.permuted(np.tile(np.arange(SYMBOLS) < SYMBOLS // 2, (runs, 1)), axis=1)
    differences = paired_differences(market, in_b, harm)
    found, usable = np.full(runs, np.inf), np.zeros(runs, dtype=np.bool_)
    for run in range(runs):
        test = PairedBlocks(PLAN.alpha, 0.0, PLAN.horizon)
        for block in range(DAY):
            test.update(float(differences[block, run]), before=True)
        usable[run] = test.period.stationary
        for block in range(DAY, 2 * DAY if usable[run] else DAY):
            test.update(float(differences[block, run]), before=False)
            if test.rejected:
                found[run] = block + 1 - DAY
                break
    return found, usable


def paired_differences(market: BlockMarket, in_b: NDArray[np.bool_], harm: float) -> Floats:
    """``mean_B(y - ybar) - mean_A(y - ybar)`` by (block, run); ``ybar`` of the blocks so far, frozen after a day."""
    total, seen = np.zeros(in_b.shape), np.zeros(in_b.shape)
    rows = []
    for block, (sums, counts) in enumerate(zip(market.sums, market.counts, strict=True)):
        usable = np.where(seen > 0, counts, 0.0)
        worse = harm if block >= DAY else 0.0
        residual = np.where(seen > 0, sums + worse * counts * in_b, 0.0) - usable * total / np.maximum(seen, 1e-12)
        count_b, count_a = (usable * in_b).sum(1), (usable * ~in_b).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            rows.append((residual * in_b).sum(1) / count_b - (residual * ~in_b).sum(1) / count_a)
        if block < DAY:
            total, seen = total + sums, seen + counts
    return np.array(rows)


def block_tables(runs: int, seed: int) -> None:
    """Print the table: both designs, nothing wrong and +1 bps."""
    print(f"\nHard markets, 10 symbols, slippage gate, within 24 h ({runs} runs)\n")
    print("| market | switchback: false | +1 bps found | median, min | sample ratio, false |", end="")
    print(" persistent: false | inconclusive | +1 bps found | median, min |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        calm, mismatch = switchback_acts(kind, runs, 0.0, seed)
        ill, _ = switchback_acts(kind, runs, 1.0, seed + 1)
        cells = [share(calm), share(ill), median(ill), f"{float(mismatch.mean()):.3f}"]
        if not kind.misaligned:
            calm, usable = persistent_acts(kind, runs, 0.0, seed + 2)
            ill, _ = persistent_acts(kind, runs, 1.0, seed + 3)
            cells += [share(calm), f"{1 - float(usable.mean()):.3f}", share(ill), median(ill)]
        else:
            cells += ["", "", "", ""]
        print(f"| {kind.name} | {' | '.join(cells)} |", flush=True)


def share(found: Floats) -> str:
    """Share of the runs that acted."""
    return f"{float(np.isfinite(found).mean()):.3f}"


def median(found: Floats) -> str:
    """Median time in minutes, or "> 1440"."""
    value = float(np.quantile(found, 0.5, method="higher"))
    return f"{value:.0f}" if math.isfinite(value) else "> 1440"
