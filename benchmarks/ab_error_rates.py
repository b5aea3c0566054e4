"""Error rates of both AB decisions, by simulation: false rollbacks for A = A, and the time to detect a harm.

    python -m benchmarks.ab_error_rates            # the tables of docs/explanation/ab-decisions.md, about 12 minutes
    python -m benchmarks.ab_error_rates --quick    # fewer runs, for a quick check

A run is a simulated market: different symbols (level, noise, traffic, speed), levels that vary together and
separately, market-wide bursts of late ticks. The sequential decision is computed by the classes of
`calib.experiments.sequential`, all runs at once; the threshold decision by its own timer over windows that are summed
by cumulative sums. A test runs one simulation through the live harness and checks that both act at the same times.
Markets that are difficult for the tests are in `benchmarks.block_rates`, the canary is in `benchmarks.canary_rates`.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.block_rates import block_tables
from benchmarks.canary_rates import canary_tables
from calib.experiments.gates import Gate
from calib.experiments.hold import Hold
from calib.experiments.routing import rank_rule, switchback_rule
from calib.experiments.sequential import BoundedMean, PairedBlocks, Switchback
from calib.experiments.sequential.switchback import RunningBaseline, difference
from calib.experiments.sequential_decision import plan_of
from calib.experiments.settings import ABSettings

Floats = NDArray[np.float64]
BLOCK_S = 60
DAY_S = 86_400
EVAL_S = 5
TICK_EVERY_S = 2.0
SETTINGS = ABSettings()


@dataclass(frozen=True)
class Harm:
    """The harm of B."""

    name: str = "none"
    gate: str = ""
    slippage_bps: float = 0.0
    latency_ratio: float = 1.0
    miss_rate: float = 0.0
    """Long-run share of late ticks in B; 0: the same as in A."""


@dataclass(frozen=True)
class MarketModel:
    """One simulated run without the harm of B. Fills and ticks are in time order."""

    symbols: int
    hours: float
    fill_ts: Floats
    fill_symbol: NDArray[np.int64]
    slippage: Floats
    taker: NDArray[np.bool_]
    tick_ts: Floats
    tick_symbol: NDArray[np.int64]
    latency: Floats
    miss: NDArray[np.bool_]
    luck: Floats
    """A uniform number per tick: decides whether harm makes it late."""


def make_world(rng: np.random.Generator, symbols: int, hours: float) -> MarketModel:
    """Simulate a market with usual differences between symbols; the constants are documented."""
    minutes = math.ceil(hours * 60)
    rate = 2.0 * rng.lognormal(0, 0.5, symbols)
    counts = rng.poisson(rate * minutes)
    fill_symbol = np.repeat(np.arange(symbols), counts)
    fill_ts = rng.uniform(0, hours * 3600, len(fill_symbol))
    order = np.argsort(fill_ts, kind="stable")
    fill_ts, fill_symbol = fill_ts[order], fill_symbol[order]
    minute = np.minimum((fill_ts // 60).astype(np.int64), minutes - 1)
    level = rng.normal(0.3, 0.5, symbols)
    together, apart = wander(rng, (minutes,), 0.9, 0.5), wander(rng, (minutes, symbols), 0.98, 0.2)
    noise = 2.0 * rng.lognormal(0, 0.2, symbols)
    mean = level[fill_symbol] + together[minute] + apart[minute, fill_symbol]
    slippage = mean + noise[fill_symbol] * rng.standard_t(5, len(fill_ts)) * math.sqrt(3 / 5)
    taker = rng.uniform(size=len(fill_ts)) < rng.beta(15, 85, symbols)[fill_symbol]
    n_ticks = int(hours * 3600 / TICK_EVERY_S)
    tick_ts = (np.arange(n_ticks)[:, None] * TICK_EVERY_S + np.linspace(0, 1.5, symbols)[None, :]).ravel()
    tick_symbol = np.tile(np.arange(symbols), n_ticks)
    speed = 20.0 * rng.lognormal(0, 0.3, symbols)
    load = np.exp(wander(rng, (minutes,), 0.9, 0.1))
    tick_minute = np.minimum((tick_ts // 60).astype(np.int64), minutes - 1)
    latency = speed[tick_symbol] * load[tick_minute] * rng.lognormal(0, 0.35, len(tick_ts))
    luck = rng.uniform(size=len(tick_ts))
    late = np.full(minutes, 0.004)
    late[rng.uniform(size=minutes) < 1 / 30] = 0.10
    return MarketModel(
        symbols, hours, fill_ts, fill_symbol, slippage, taker, tick_ts, tick_symbol, latency,
        luck < late[tick_minute], luck,
    )  # fmt: skip


def wander(rng: np.random.Generator, shape: tuple[int, ...], keep: float, sd: float) -> Floats:
    """An AR(1) series along the first axis with stationary standard deviation ``sd``."""
    steps = rng.normal(0, sd, shape)
    for i in range(1, shape[0]):
        steps[i] = keep * steps[i - 1] + math.sqrt(1 - keep**2) * steps[i]
    return steps


def harmed(world: MarketModel, harm: Harm, fill_b: NDArray[np.bool_], tick_b: NDArray[np.bool_]) -> tuple[Floats, ...]:
    """Return slippage, latency and lateness with the harm of B."""
    slippage = world.slippage + np.where(fill_b, harm.slippage_bps, 0.0)
    latency = world.latency * np.where(tick_b, harm.latency_ratio, 1.0)
    base = float(world.miss.mean())
    # Late besides the ticks that are late anyway, so that B's long-run share is the one asked for.
    extra = max(0.0, (harm.miss_rate - base) / (1 - base)) if harm.miss_rate else 0.0
    miss = world.miss | (tick_b & (world.luck > 1 - extra))
    return slippage, latency, miss.astype(np.float64)


# -- the sequential decision, all runs at once -------------------------------------------------------------------------


def switchback_arms(world: MarketModel, salt: str) -> NDArray[np.bool_]:
    """Return the symbols in B, ``(blocks, symbols)``."""
    names = [f"S{i}" for i in range(world.symbols)]
    deals = [switchback_rule(salt, names, block) for block in range(int(world.hours * 3600) // BLOCK_S)]
    return np.array([[name in chosen for name in names] for chosen in deals])


def block_sums(world: MarketModel, harm: Harm, is_b: NDArray[np.bool_]) -> dict[str, Floats]:
    """Per channel ``(2, blocks, symbols)``: sums and counts; and ``is_b`` ``(blocks, symbols)``."""
    blocks, n = is_b.shape
    fill_block = np.minimum((world.fill_ts // BLOCK_S).astype(np.int64), blocks - 1)
    tick_block = np.minimum((world.tick_ts // BLOCK_S).astype(np.int64), blocks - 1)
    fill_b, tick_b = is_b[fill_block, world.fill_symbol], is_b[tick_block, world.tick_symbol]
    slippage, latency, miss = harmed(world, harm, fill_b, tick_b)
    fill_key, tick_key = fill_block * n + world.fill_symbol, tick_block * n + world.tick_symbol

    def total(key: NDArray[np.int64], weights: Floats | None = None) -> Floats:
        return np.bincount(key, weights, blocks * n).reshape(blocks, n).astype(np.float64)

    fills, ticks = total(fill_key), total(tick_key)
    # Every symbol has the same number of ticks in every block: (blocks, ticks, symbols) is their natural order.
    per_block = latency.reshape(blocks, -1, n)
    log_p95 = np.log(np.quantile(per_block, 0.95, axis=1))
    return {
        "is_b": is_b.astype(np.float64),
        "slippage_bps": np.stack([total(fill_key, slippage), fills]),
        "taker_share": np.stack([total(fill_key, world.taker.astype(np.float64)), fills]),
        "log_p95": np.stack([log_p95, np.ones_like(log_p95)]),
        "deadline_miss_rate": np.stack([total(tick_key, miss), ticks]),
    }


def sequential_acts(runs: list[dict[str, Floats]], settings: ABSettings = SETTINGS) -> dict[str, Floats]:
    """Per gate and run: seconds until the sequential decision acts, infinity where it never does."""
    is_b = np.stack([run["is_b"] for run in runs]) > 0
    acts = {}
    for gate in settings.gates:
        data = np.stack([run[gate.channel] for run in runs], axis=1)
        acts[gate.name] = _gate_acts(gate, data[0], data[1], is_b, settings)
    return acts


def _gate_acts(gate: Gate, sums: Floats, counts: Floats, is_b: NDArray[np.bool_], settings: ABSettings) -> Floats:
    runs, blocks, n = sums.shape
    test = Switchback(plan_of(gate, settings), (runs, n))
    limit = None
    if gate.limit is not None:
        limit = BoundedMean(test.plan.alpha, gate.limit, settings.warmup_blocks, (runs,))
    found = np.full(runs, np.inf)
    for block in range(blocks):
        b = is_b[:, block]
        test.update(sums[:, block], counts[:, block], b)
        rejected = test.rejected
        if limit is not None:
            in_b = np.where(b, counts[:, block], 0).sum(-1)
            limit.update(np.where(b, sums[:, block], 0).sum(-1) / np.where(in_b > 0, in_b, np.nan))
            rejected = rejected & limit.rejected
        closes = (block + 1) * settings.block_s + settings.grace_s
        found = np.where(np.isinf(found) & rejected, closes, found)
    return found


# -- the sequential decision with persistent arms, run by run ----------------------------------------------------------


def persistent_acts(world: MarketModel, harm: Harm, salt: str, settings: ABSettings = SETTINGS) -> dict[str, float]:
    """Return per gate the seconds from the start of B (after 24 h) until the paired-block test acts."""
    names = [f"S{i}" for i in range(world.symbols)]
    chosen = rank_rule(salt, names, 0.5)
    in_b = np.array([name in chosen for name in names])
    blocks = int(world.hours * 3600) // BLOCK_S
    before = DAY_S // BLOCK_S
    is_b = np.broadcast_to(in_b, (blocks, world.symbols)).copy()
    calm, ill = block_sums(world, Harm(), is_b), block_sums(world, harm, is_b)
    acts = {}
    for gate in settings.gates:
        if gate.limit is not None:
            continue
        data = np.concatenate([calm[gate.channel][:, :before], ill[gate.channel][:, before:]], axis=1)
        acts[gate.name] = _persistent_acts(gate, data, in_b, before, settings)
    return acts


def _persistent_acts(gate: Gate, data: Floats, in_b: NDArray[np.bool_], before: int, settings: ABSettings) -> float:
    plan = plan_of(gate, settings)
    test, baseline = PairedBlocks(plan.alpha, gate.block_margin, plan.horizon), RunningBaseline((len(in_b),), 1.0)
    for block in range(data.shape[1]):
        if block == before and not test.period.stationary:
            return math.inf  # inconclusive
        sums, counts = data[:, block]
        known = baseline.count > 0
        d = difference(np.where(known, sums, 0.0), np.where(known, counts, 0.0), in_b, baseline.predict())
        test.update(float(d), before=block < before)
        if block < before:
            baseline.update(sums, counts)
        elif test.rejected:
            return float((block + 1 - before) * settings.block_s + settings.grace_s)
    return math.inf


# -- the threshold decision, run by run --------------------------------------------------------------------------------


def threshold_acts(world: MarketModel, harm: Harm, salt: str, settings: ABSettings = SETTINGS) -> dict[str, float]:
    """Per gate: seconds until the threshold decision acts, infinity where it never does."""
    names = [f"S{i}" for i in range(world.symbols)]
    chosen = rank_rule(salt, names, 0.5)
    in_b = np.array([name in chosen for name in names])
    fill_b, tick_b = in_b[world.fill_symbol], in_b[world.tick_symbol]
    slippage, latency, miss = harmed(world, harm, fill_b, tick_b)
    grid = np.arange(EVAL_S, world.hours * 3600 + EVAL_S / 2, EVAL_S)
    columns = {
        "slippage_degradation": (world.fill_ts, slippage, fill_b),
        "taker_share_increase": (world.fill_ts, world.taker.astype(np.float64), fill_b),
        "latency_regression": (world.tick_ts, latency, tick_b),
        "deadline_miss_spike": (world.tick_ts, miss, tick_b),
    }
    return {gate.name: _held(gate, grid, *columns[gate.name], settings) for gate in settings.gates}


def _held(gate: Gate, grid: Floats, ts: Floats, values: Floats, is_b: NDArray[np.bool_], settings: ABSettings) -> float:
    a, n_a, newest_a = _rolling(gate, grid, ts[~is_b], values[~is_b], settings.window)
    b, n_b, newest_b = _rolling(gate, grid, ts[is_b], values[is_b], settings.window)
    newest = np.minimum(newest_a, newest_b) if gate.needs_control else newest_b
    least = settings.min_records(gate.kind)
    enough = (n_b >= least) & ((n_a >= least) | (not gate.needs_control))
    fresh = grid - newest <= settings.max_gap_s(gate.kind)
    hold = Hold(settings.hold_s, settings.max_gap_s(gate.kind), settings.min_coverage)
    for i, now in enumerate(grid):
        judged = bool(enough[i] and fresh[i])
        hold.update(bool(b[i] > gate.bound(float(a[i]))) if judged else None, float(newest[i]))
        if judged and hold.expired:
            return float(now)
    return math.inf


def _rolling(gate: Gate, grid: Floats, ts: Floats, values: Floats, window: int) -> tuple[Floats, Floats, Floats]:
    """Metric, count and newest time of the last ``window`` records before each grid point."""
    end = np.searchsorted(ts, grid, side="left")
    begin = np.maximum(end - window, 0)
    count = (end - begin).astype(np.float64)
    newest = np.where(end > 0, ts[np.maximum(end - 1, 0)], -np.inf)
    if gate.metric == "tick_total_p95":
        return _rolling_p95(values, begin, end), count, newest
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return (sums[end] - sums[begin]) / np.maximum(count, 1), count, newest


def _rolling_p95(values: Floats, begin: NDArray[np.int64], end: NDArray[np.int64]) -> Floats:
    result = np.full(len(end), np.nan)
    width = int((end - begin).max())
    full = np.flatnonzero(end - begin == width)
    views = np.lib.stride_tricks.sliding_window_view(values, width)
    for chunk in np.array_split(full, max(1, len(full) // 1000)):
        result[chunk] = np.quantile(views[begin[chunk]], 0.95, axis=1)
    for i in np.flatnonzero((end > begin) & (end - begin < width)):
        result[i] = np.quantile(values[begin[i] : end[i]], 0.95)
    return result


# -- the table ---------------------------------------------------------------------------------------------------------

HARMS = (
    Harm("+0.25 bps slippage", "slippage_degradation", slippage_bps=0.25),
    Harm("+0.5 bps slippage", "slippage_degradation", slippage_bps=0.5),
    Harm("+1 bps slippage", "slippage_degradation", slippage_bps=1.0),
    Harm("+2 bps slippage", "slippage_degradation", slippage_bps=2.0),
    Harm("+15 % latency", "latency_regression", latency_ratio=1.15),
    Harm("2.5 % deadline misses", "deadline_miss_spike", miss_rate=0.025),
)


def simulate(
    symbols: int, harm: Harm, hours: float, sequential_runs: int, threshold_runs: int, seed: int
) -> dict[str, dict[str, Floats]]:
    """Per decision and gate: when it acts, run by run."""
    sums, by_threshold = [], []
    for run in range(max(sequential_runs, threshold_runs)):
        world = make_world(np.random.default_rng([seed, symbols, run]), symbols, hours)
        if run < sequential_runs:
            sums.append(block_sums(world, harm, switchback_arms(world, f"run{run}")))
        if run < threshold_runs:
            by_threshold.append(threshold_acts(world, harm, f"run{run}"))
    threshold_found = {gate.name: np.array([acts[gate.name] for acts in by_threshold]) for gate in SETTINGS.gates}
    return {"threshold": threshold_found, "sequential": sequential_acts(sums)}


def share(found: Floats, hours: float) -> str:
    """Return the share of the runs that acted within the hours."""
    return f"{float((found <= hours * 3600).mean()):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    parser.add_argument("--seed", type=int, default=20250101)
    parser.add_argument("--only", choices=("ordinary", "persistent", "hard", "canary"), help="one part of the tables")
    options = parser.parse_args()
    sequential_runs, threshold_runs, harm_runs = (40, 10, 20) if options.quick else (400, 60, 100)
    began = time.perf_counter()
    parts: dict[str, Callable[[], None]] = {
        "ordinary": lambda: ordinary_tables(sequential_runs, threshold_runs, harm_runs, options.seed),
        "persistent": lambda: persistent_table(harm_runs, options.seed + 2),
        "hard": lambda: block_tables(harm_runs, options.seed + 3),
        "canary": lambda: canary_tables(harm_runs, options.seed + 4),
    }
    for name, part in parts.items():
        if options.only in (None, name):
            part()
    print(f"\n{time.perf_counter() - began:.0f} s")


def ordinary_tables(sequential_runs: int, threshold_runs: int, harm_runs: int, seed: int) -> None:
    """Print false rollbacks, then times until a harm is detected, for both decisions."""
    print(f"False rollbacks under A = A within 24 h ({sequential_runs} runs sequential, {threshold_runs} threshold)\n")
    print("| symbols | decision | slippage | taker | latency | deadline | any gate, 1 h | 6 h | 24 h |")
    print("|---|---|---|---|---|---|---|---|---|")
    for symbols in (2, 10, 30):
        for decision, acts in simulate(symbols, Harm(), 24, sequential_runs, threshold_runs, seed).items():
            first = np.min(np.stack(list(acts.values())), axis=0)
            gates = " | ".join(share(found, 24) for found in acts.values())
            print(
                f"| {symbols} | {decision} | {gates} | {share(first, 1)} | {share(first, 6)} | {share(first, 24)} |",
                flush=True,
            )
    print(f"\nTime until the harm's own gate acts, 10 symbols ({harm_runs} runs, threshold {harm_runs // 4})\n")
    print("| harm in B | decision | median, min | 90 % quantile, min | found within 1 h | 24 h |")
    print("|---|---|---|---|---|---|")
    for harm in HARMS:
        for decision, acts in simulate(10, harm, 24, harm_runs, harm_runs // 4, seed + 1).items():
            found = acts[harm.gate]
            median, late = (np.quantile(found, q, method="higher") / 60 for q in (0.5, 0.9))
            times = f"{_minutes(median)} | {_minutes(late)}"
            print(f"| {harm.name} | {decision} | {times} | {share(found, 1)} | {share(found, 24)} |", flush=True)


def persistent_table(runs: int, seed: int, sizes: tuple[int, ...] = (10, 30)) -> None:
    """Persistent arms: 24 h in which both run A, then 24 h."""
    print(f"\nPersistent arms with a pre-period of 24 h, sequential decision ({runs} runs)\n")
    print("| symbols | harm in B | slippage acts within 24 h | taker | latency | median delay of its gate, min |")
    print("|---|---|---|---|---|---|")
    for symbols in sizes:
        for harm in (Harm(), HARMS[2], HARMS[4]):
            rows = []
            for run in range(runs):
                world = make_world(np.random.default_rng([seed, symbols, run]), symbols, 48)
                rows.append(persistent_acts(world, harm, f"run{run}"))
            found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
            shares = " | ".join(share(times, 24) for times in found.values())
            median = _minutes(np.quantile(found[harm.gate], 0.5, method="higher") / 60) if harm.gate else ""
            print(f"| {symbols} | {harm.name} | {shares} | {median} |", flush=True)


def _minutes(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "> 1440"


if __name__ == "__main__":
    main()
