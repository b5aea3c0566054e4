"""Error rates of the canary, by simulation: false rollbacks without a change, and the time to detect a real increase.

Part of ``python -m benchmarks.ab_error_rates``. A run is a rollout of 75 minutes: 20 symbols whose ``fetch_md`` is
lognormal around different levels, a baseline of an hour before, 10 and 50 % of the symbols for at least ten minutes
each and longer while the check does not pass, then all of them. Both decisions are evaluated once a minute. The
sequential one is computed by `calib.experiments.canary.fetch_test`; a test runs one rollout through the live
controller and checks that it acts at the same time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.experiments.canary.fetch_test import MIN_TICKS, FetchTest, block_difference
from calib.experiments.canary.settings import CanarySettings
from calib.experiments.routing import rank_rule

Floats = NDArray[np.float64]
ROLLOUT_S = 75 * 60
BASELINE_S = 3600
LOOK_S = 60
GRID_S = 30.0
SETTINGS = CanarySettings()


@dataclass(frozen=True)
class Rollout:
    """Parameters of one simulated rollout.

    Parameters
    ----------
    rise
        True ratio of ``fetch_md`` with the cache to without: 1 for no change.
    every_s
        Time between two lines of a symbol, s.
    together, apart
        Standard deviation of the logarithm of the varying level: common to all symbols, and of each symbol.
    memory_s
        Time constant of the variation, s.
    sigma
        Spread of the logarithm of a tick's ``fetch_md``.
    hit_ratio
        Share of the ticks that take 2 ms with the cache; 0 if every tick is a fetch.
    """

    name: str
    rise: float = 1.0
    every_s: float = 1.0
    together: float = 0.0
    apart: float = 0.0
    memory_s: float = 1800.0
    symbols: int = 20
    sigma: float = 0.35
    hit_ratio: float = 0.0


@dataclass(frozen=True)
class Ticks:
    """``fetch_md`` of a rollout without the cache: ``(lines, symbols)``, and each symbol's baseline p95."""

    ts: Floats
    fetch: Floats
    base: Floats
    hit: NDArray[np.bool_]


def make_ticks(rng: np.random.Generator, rollout: Rollout) -> Ticks:
    """The hour of the baseline, then the rollout; levels vary during both."""
    n = int((BASELINE_S + ROLLOUT_S) / rollout.every_s)
    ts: Floats = np.arange(n, dtype=np.float64) * rollout.every_s - BASELINE_S
    level = np.log(30.0) + rng.normal(0, 0.3, rollout.symbols)
    drift: Floats = wander(rng, ts, 1, rollout.memory_s, rollout.together)
    drift = drift + wander(rng, ts, rollout.symbols, rollout.memory_s, rollout.apart)
    fetch = np.exp(level + drift + rng.normal(0, rollout.sigma, (n, rollout.symbols)))
    base = np.quantile(fetch[ts < 0], 0.95, axis=0)
    now = ts >= 0
    hit = rng.uniform(size=(int(now.sum()), rollout.symbols)) < rollout.hit_ratio
    return Ticks(ts[now], fetch[now], base, hit)


def wander(rng: np.random.Generator, ts: Floats, columns: int, memory_s: float, sd: float) -> Floats:
    """An AR(1) on a grid of 30 s with stationary standard deviation ``sd``, at the given times."""
    if not sd:
        return np.zeros((len(ts), columns))
    keep = math.exp(-GRID_S / memory_s)
    steps = rng.normal(0, sd, (int((ts[-1] - ts[0]) // GRID_S) + 1, columns))
    steps[1:] *= math.sqrt(1 - keep**2)
    for i in range(1, len(steps)):
        steps[i] += keep * steps[i - 1]
    return np.asarray(steps[((ts - ts[0]) // GRID_S).astype(np.int64)], dtype=np.float64)


def acts(ticks: Ticks, rollout: Rollout, decision: str, settings: CanarySettings = SETTINGS) -> float:
    """Seconds from the first step until the canary rolls back; infinity where it never does within the rollout."""
    names = [f"C{i}" for i in range(ticks.fetch.shape[1])]
    enabled: set[str] = set()
    enabled_at = np.full(len(names), np.inf)
    step, since = -1, 0.0
    test = FetchTest(settings.max_fetch_increase, settings.alpha, settings.block_s, settings.window_s)
    ratios = np.empty_like(ticks.fetch)
    block, state = 0.0, ""
    for look in range(0, ROLLOUT_S + 1, LOOK_S):
        ready = step < 0 or (look - since >= settings.schedule[step].min_s and state == "OK")
        if ready and step + 1 < len(settings.schedule):
            step, since = step + 1, float(look)
            enabled = rank_rule(settings.salt, names, max(settings.schedule[step].split, 1 / len(names)), enabled)
            fresh = np.array([name in enabled for name in names]) & np.isinf(enabled_at)
            enabled_at[fresh] = look
            ratios = served(ticks, rollout, enabled_at)
        block = carry_on(test, ticks.ts, ratios, enabled_at, block, float(look), settings)
        state = judge(test, ticks.ts, ratios, enabled_at, since, float(look), decision, settings)
        if state == "VIOLATING":
            return float(look)
    return math.inf


def served(ticks: Ticks, rollout: Rollout, enabled_at: Floats) -> Floats:
    """``fetch_md`` over the baseline, with the cache where and when a symbol uses it."""
    on = ticks.ts[:, None] >= enabled_at[None, :]
    cached = np.where(ticks.hit, 2.0, ticks.fetch * rollout.rise)
    return np.where(on, cached, ticks.fetch) / ticks.base


def carry_on(
    test: FetchTest,
    ts: Floats,
    ratios: Floats,
    enabled_at: Floats,
    block: float,
    now: float,
    settings: CanarySettings,
) -> float:
    """Take the blocks that ended by ``now``; the beginning of the next."""
    end = block + settings.block_s
    while end <= now - 5.0:
        warm = block >= enabled_at + settings.warmup_s
        off = np.isinf(enabled_at)
        comparable = bool(warm.any() and off.any())
        low, high = np.searchsorted(ts, [block, end])
        difference = None
        if comparable and min(warm.sum(), off.sum()) * (high - low) >= MIN_TICKS:
            part = ratios[low:high]
            difference = block_difference(part[:, warm].ravel().tolist(), part[:, off].ravel().tolist())
        if difference is not None:
            test.update(difference)
        if difference is not None or not comparable or end - block >= settings.window_s:
            block = end
        end += settings.block_s
    return block


def judge(
    test: FetchTest,
    ts: Floats,
    ratios: Floats,
    enabled_at: Floats,
    since: float,
    now: float,
    decision: str,
    settings: CanarySettings,
) -> str:
    """The state of one evaluation."""
    if decision == "sequential" and test.rejected:
        return "VIOLATING"
    low, high = np.searchsorted(ts, [max(since + settings.warmup_s, now - settings.window_s), now])
    on = np.isfinite(enabled_at)
    if now < since + settings.warmup_s or (high - low) * on.sum() < settings.min_ticks or high - low < 20:
        return "NODATA"
    ratio = math.exp(float(np.log(np.quantile(ratios[low:high][:, on], 0.95, axis=0)).mean()))
    if ratio > 1 + (settings.max_fetch_increase if decision == "threshold" else settings.max_fetch_increase_absolute):
        return "VIOLATING"
    if decision == "threshold":
        return "OK"
    if on.all():
        return "OK" if ratio <= 1 + settings.max_fetch_increase else "INCONCLUSIVE"
    return "OK" if test.count and test.total <= 0 else "INCONCLUSIVE"


NOTHING = (
    Rollout("nothing changed"),
    Rollout("a level common to all wanders, sd 10 %", together=0.10),
    Rollout("a level common to all wanders, sd 20 %", together=0.20),
    Rollout("each symbol wanders alone, sd 5 %", apart=0.05),
    Rollout("each symbol wanders alone, sd 10 %", apart=0.10),
    Rollout("each symbol wanders alone, sd 20 %", apart=0.20),
    Rollout("heavy ticks, sigma 0.7", sigma=0.7),
    Rollout("4 symbols", symbols=4),
    Rollout("4 symbols, each wanders, sd 10 %", symbols=4, apart=0.10),
    Rollout("a line each 10 s", every_s=10.0),
)
RISES = (
    Rollout("+30 %, 20 symbols, a line a second", rise=1.3),
    Rollout("+30 %, common level wanders, sd 10 %", rise=1.3, together=0.10),
    Rollout("+30 %, each symbol wanders, sd 10 %", rise=1.3, apart=0.10),
    Rollout("+30 %, a line each 2 s", rise=1.3, every_s=2.0),
    Rollout("+30 %, a line each 10 s", rise=1.3, every_s=10.0),
    Rollout("+30 %, 10 symbols", rise=1.3, symbols=10),
    Rollout("+30 %, 4 symbols", rise=1.3, symbols=4),
    Rollout("+50 %", rise=1.5),
    Rollout("+20 %", rise=1.2),
    Rollout("+100 %", rise=2.0),
)


def canary_tables(runs: int, seed: int) -> None:
    """Print both tables."""
    print(f"\nCanary: false rollbacks within 75 minutes ({runs} runs)\n")
    print("| nothing changed but | threshold | sequential |")
    print("|---|---|---|")
    for rollout in NOTHING:
        found = simulate(rollout, runs, seed)
        shares = " | ".join(f"{float(np.isfinite(times).mean()):.3f}" for times in found.values())
        print(f"| {rollout.name} | {shares} |", flush=True)
    print(f"\nCanary: time until a real rise is rolled back ({runs} runs)\n")
    print("| rise with the cache | threshold: median, min | found | sequential: median, min | found |")
    print("|---|---|---|---|---|")
    for rollout in RISES:
        cells = []
        for times in simulate(rollout, runs, seed + 1).values():
            median = float(np.quantile(times, 0.5, method="higher")) / 60
            cells += [f"{median:.0f}" if math.isfinite(median) else "> 75", f"{float(np.isfinite(times).mean()):.3f}"]
        print(f"| {rollout.name} | {' | '.join(cells)} |", flush=True)


def simulate(
    rollout: Rollout, runs: int, seed: int, decisions: tuple[str, ...] = ("threshold", "sequential")
) -> dict[str, Floats]:
    """Per decision: when it acts, run by run."""
    found: dict[str, list[float]] = {decision: [] for decision in decisions}
    for run in range(runs):
        ticks = make_ticks(np.random.default_rng([seed, run]), rollout)
        for decision, times in found.items():
            times.append(acts(ticks, rollout, decision))
    return {decision: np.array(times) for decision, times in found.items()}
