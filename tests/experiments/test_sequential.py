"""The sequential tests against their definitions, computed another way, and against exact enumeration."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.experiments.sequential import BoundedMean, PairedBlocks, SampleRatio, Switchback, SwitchbackPlan
from calib.experiments.sequential.bounded_mean import bet
from calib.experiments.sequential.half_normal import log_e_value, tuning
from calib.experiments.sequential.normal import log_ndtr
from calib.experiments.sequential.paired import long_run_variance


def mixture_by_integration(total: float, variance: float, r: float) -> float:
    """log of the integral over lambda >= 0 of exp(lambda S - lambda^2 V / 2) under a half-normal prior."""
    width = 12 / math.sqrt(r + variance) + max(0.0, total) / (variance + r)
    grid = np.linspace(0, width + 12 / math.sqrt(r), 400_001)
    exponent = grid * total - grid**2 * variance / 2 - r * grid**2 / 2
    top = exponent.max()
    density = 2 * math.sqrt(r / (2 * math.pi)) * np.exp(exponent - top)
    return float(top + math.log(np.trapezoid(density, grid)))


@pytest.mark.parametrize(
    ("total", "variance", "r"),
    [(0.0, 1.0, 1.0), (3.0, 4.0, 2.0), (-5.0, 7.0, 0.5), (25.0, 30.0, 12.6), (-30.0, 20.0, 5.0), (0.02, 0.003, 0.001)],
)
def test_half_normal_closed_form_is_the_mixture_integrated_numerically(total: float, variance: float, r: float) -> None:
    assert float(log_e_value(total, variance, r)) == pytest.approx(mixture_by_integration(total, variance, r), abs=2e-6)


def test_log_ndtr_against_the_normal_distribution_and_a_published_tail() -> None:
    for x in (-5.0, -1.0, -0.1, 0.0, 0.1, 1.0, 3.0):
        assert float(log_ndtr(x)) == pytest.approx(math.log(NormalDist().cdf(x)), rel=1e-9)
    # R: pnorm(-40, log.p = TRUE)
    assert float(log_ndtr(-40.0)) == pytest.approx(-804.6084420137538, rel=1e-12)
    both_sides = log_ndtr([-25 - 1e-9, -25 + 1e-9])
    assert both_sides[0] == pytest.approx(both_sides[1], rel=1e-7)


def test_tuning_makes_the_boundary_smallest_at_the_horizon_it_names() -> None:
    """The S that just reaches 1 / alpha at V = v_opt is (nearly) least for that r, found by a search of its own."""
    alpha, v_opt = 0.0125, 120.0

    def boundary(r: float) -> float:
        low, high = 0.0, 200.0
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if float(log_e_value(middle, v_opt, r)) < -math.log(alpha) else (low, middle)
        return high

    best = min(boundary(r) for r in np.geomspace(0.5, 500, 200))
    assert boundary(float(tuning(v_opt, alpha))) <= best * 1.002


def test_the_e_process_has_mean_at_most_one_over_every_sign_pattern() -> None:
    """Exact, no simulation: over all 2^12 equally likely signs of given sizes the mean of E is at most 1."""
    sizes = np.array([0.1, 5.0, 1.0, 1.0, 0.01, 3.0, 1.0, 40.0, 1.0, 1.0, 2.0, 0.5])
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(sizes))))
    for r in (0.1, 5.0, 300.0):
        e = np.exp(log_e_value(signs @ sizes, float(sizes @ sizes), r))
        assert e.mean() <= 1 + 1e-12


@pytest.mark.parametrize("margin", [0.3, 2.0])
def test_a_margin_keeps_the_mean_at_most_one(margin: float) -> None:
    sizes = np.array([0.1, 5.0, 1.0, 1.0, 0.01, 3.0, 1.0, 4.0, 1.0, 2.0])
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(sizes))))
    d = signs * sizes - margin
    e = np.exp(log_e_value(d.sum(-1), (d**2).sum(-1), 5.0))
    assert e.mean() <= 1 + 1e-12


def play(blocks: int, runs: int, effect: float, seed: int, plan: SwitchbackPlan) -> Switchback:
    """Heavy-tailed, correlated fills of six symbols under a fair switchback, all runs at once."""
    rng = np.random.default_rng(seed)
    test = Switchback(plan, (runs, 6))
    level = rng.normal(0, 1, (runs, 6))
    for _ in range(blocks):
        order = rng.random((runs, 6)).argsort(-1).argsort(-1)
        is_b = order < 3
        counts = rng.poisson(3, (runs, 6)).astype(float)
        shock = rng.standard_t(2, (runs, 6))
        test.update(counts * (level + shock + effect * is_b), counts, is_b)
    return test


def test_false_alarms_of_the_switchback_stay_below_alpha_by_simulation() -> None:
    """1000 runs of 300 blocks whose shocks have no variance (t with 2 degrees): Ville's bound must still hold."""
    alarms = play(300, 1000, 0.0, 1, SwitchbackPlan(0.05, 0.0)).rejected.mean()
    assert alarms <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


def test_a_real_effect_is_found_and_its_opposite_is_not() -> None:
    assert play(150, 100, 2.0, 2, SwitchbackPlan(0.05)).rejected.mean() > 0.9
    assert play(150, 100, -2.0, 2, SwitchbackPlan(0.05)).rejected.mean() == 0.0


def test_switchback_equals_a_plain_loop_over_its_definition() -> None:
    rng = np.random.default_rng(5)
    plan = SwitchbackPlan(0.0125, 0.25, warmup=3, horizon=50, decay=0.9)
    test = Switchback(plan, (4,))
    total, weight = [0.0] * 4, [0.0] * 4
    seen, scale, s, v, best = 0, 0.0, 0.0, 0.0, 0.0
    for _ in range(40):
        counts = rng.integers(0, 4, 4)
        sums = rng.normal(1.0, 2.0, 4) * counts
        in_b = set(rng.permutation(4)[:2].tolist())
        pooled = sum(total) / sum(weight) if sum(weight) else 0.0
        guess = [total[i] / weight[i] if weight[i] else pooled for i in range(4)]
        n_b, n_a = sum(counts[i] for i in in_b), sum(counts[i] for i in range(4) if i not in in_b)
        if n_a and n_b:
            rest = [sums[i] - counts[i] * guess[i] for i in range(4)]
            d = sum(rest[i] for i in in_b) / n_b - sum(rest[i] for i in range(4) if i not in in_b) / n_a
            if seen < 3:
                scale += d * d if seen else 0.0
            else:
                s, v = s + d - 0.25, v + (d - 0.25) ** 2
                best = max(best, mixture_by_integration(s, v, float(tuning(50 * scale / 2, 0.0125))))
            seen += 1
        for i in range(4):
            total[i], weight[i] = 0.9 * total[i] + sums[i], 0.9 * weight[i] + counts[i]
        test.update(sums, counts.astype(float), np.array([i in in_b for i in range(4)]))
    assert float(test.max_log_e) == pytest.approx(best, abs=1e-5)
    assert float(test.p_value) == pytest.approx(math.exp(-best), abs=1e-5)


def test_the_state_survives_json_and_new_symbols_join() -> None:
    import json

    test = play(20, 1, 1.0, 3, SwitchbackPlan(0.05))
    single = Switchback(SwitchbackPlan(0.05), (6,))
    state = {name: float(getattr(test, name)[0]) for name in ("seen", "scale_sum", "count", "total", "squares")}
    state |= {"max_log_e": float(test.max_log_e[0])}
    state |= {"base_total": test.baseline.total[0].tolist(), "base_count": test.baseline.count[0].tolist()}
    single.load_state(json.loads(json.dumps(state)))
    assert single.to_state() == state
    before = float(single.log_e(0.0))
    single.grow(8)
    assert single.baseline.predict().shape == (8,)
    assert float(single.log_e(0.0)) == before


def test_the_interval_covers_the_effect_and_its_edges_are_where_the_test_turns() -> None:
    rng = np.random.default_rng(9)
    test = Switchback(SwitchbackPlan(0.0125), (8,))
    for _ in range(200):
        is_b = rng.random(8).argsort().argsort() < 4
        counts = np.full(8, 4.0)
        test.update(counts * (rng.normal(0, 1, 8) + 0.7 * is_b), counts, is_b)
    low, high = test.interval() or (0.0, 0.0)
    assert low < 0.7 < high
    assert float(test.log_e(low)) == pytest.approx(-math.log(0.0125), abs=1e-6)
    assert float(test.log_e(high, -1)) == pytest.approx(-math.log(0.0125), abs=1e-6)


def test_bounded_mean_has_mean_exactly_one_at_the_limit() -> None:
    """X is 0 or 0.1 with mean 0.02 (one in five): over all 5^... weighted paths the mean of E is 1."""
    length, limit = 11, 0.02
    total = 0.0
    for path in itertools.product((0.0, 0.1), repeat=length):
        weight = math.prod(0.2 if x else 0.8 for x in path)
        test = BoundedMean(0.05, limit, warmup=2)
        for x in path:
            test.update(x)
        total += weight * math.exp(float(test.log_e))
    assert total == pytest.approx(1.0, abs=1e-12)


def test_bounded_mean_bets_by_its_formula_and_finds_a_high_mean() -> None:
    assert float(bet(0.025, 8e-5, 0.02)) == pytest.approx(25.0)  # clipped at 0.5 / m
    assert float(bet(0.025, 4e-4, 0.02)) == pytest.approx(0.005 / (4e-4 + 2.5e-5))
    rng = np.random.default_rng(4)
    test = BoundedMean(0.0125, 0.02, shape=(50,))
    calm = BoundedMean(0.0125, 0.02, shape=(50,))
    for _ in range(400):
        test.update(rng.binomial(150, 0.03, 50) / 150)
        calm.update(rng.binomial(150, 0.018, 50) / 150)
    assert test.rejected.all()
    assert not calm.rejected.any()


def test_sample_ratio_against_the_table_of_the_chi_square_distribution() -> None:
    # One degree of freedom: 3.841 is the 5 % point, 10.828 the 0.1 % point.
    assert SampleRatio(50 + 49, 50 - 49 + 100, 0.5).p_value is not None
    exact = SampleRatio(1, 1, 0.5)
    assert exact.p_value == 1.0
    shift = math.sqrt(10.828 * 1000) / 2
    assert SampleRatio(round(500 + shift) + 1, round(500 - shift) - 1, 0.5).mismatch
    assert not SampleRatio(round(500 + shift) - 2, round(500 - shift) + 2, 0.5).mismatch
    assert SampleRatio(0, 0, 0.5).p_value is None
    assert not SampleRatio(0, 0, 0.5).mismatch


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=20, max_size=60))
def test_long_run_variance_by_its_double_sum(values: list[float]) -> None:
    n, mean = len(values), sum(values) / len(values)
    h = min(n - 1, int(8 * n ** (1 / 3)))
    by_hand = sum(
        (1 - abs(i - j) / (h + 1)) * (values[i] - mean) * (values[j] - mean) / n
        for i in range(n)
        for j in range(n)
        if abs(i - j) <= h
    )
    assert long_run_variance(np.array(values)) == pytest.approx(max(by_hand, 1e-12), rel=1e-6, abs=1e-9)


def test_paired_blocks_by_hand() -> None:
    test = PairedBlocks(0.05, 0.1, 100)
    pre = [0.5, -0.5] * 50
    for value in pre:
        test.update(value, before=True)
    for _ in range(30):
        test.update(1.0, before=False)
    variance = long_run_variance(np.array(pre))
    drift = NormalDist().inv_cdf(0.95) * 5 * math.sqrt(variance * 130 / 3) / 100
    tolerated = 0.1 + NormalDist().inv_cdf(0.975) * math.sqrt(variance / 100) + drift
    expected = mixture_by_integration(30 * (1 - tolerated), 30 * variance, float(tuning(100 * variance, 0.025)))
    assert test.max_log_e == pytest.approx(expected, rel=1e-5)
    assert test.rejected
    again = PairedBlocks(0.05, 0.1, 100)
    again.load_state(test.to_state())
    assert again.p_value == test.p_value


@pytest.mark.parametrize("edge", [{"warmup": 2}, {"horizon": 1}, {"decay": 1.0}, {"decay": 1e-9}, {"margin": 0.0}])
def test_a_plan_at_the_edge_of_its_ranges_is_valid(edge: dict[str, float]) -> None:
    SwitchbackPlan(0.499, **edge)  # type: ignore[arg-type]


@pytest.mark.parametrize("beyond", [{"warmup": 1}, {"horizon": 0}, {"decay": 0.0}, {"decay": 1.001}, {"margin": -1e-9}])
def test_a_plan_beyond_one_of_its_ranges_is_refused(beyond: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"expected margin >= 0, warmup >= 2, horizon >= 1, decay in \(0, 1\]"):
        SwitchbackPlan(0.05, **beyond)  # type: ignore[arg-type]


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_a_plan_needs_an_error_rate_between_0_and_a_half(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"not in \(0, 0.5\)"):
        SwitchbackPlan(alpha)


def test_p_of_paired_blocks_is_twice_1_over_the_largest_e_and_at_most_1() -> None:
    def at(largest_e: float) -> PairedBlocks:
        test = PairedBlocks(0.05, 0.0, 100)
        test.load_state({"pre": [], "count": 0, "post_total": 0.0, "max_log_e": math.log(largest_e)})
        return test

    assert at(1.0).p_value == 1.0  # no evidence: not 2
    assert at(8.0).p_value == pytest.approx(0.25)
    assert at(40.0).p_value == pytest.approx(0.05)
    # Half of 5 % is left to the blocks: rejected from E = 1 / 0.025 = 40.
    assert at(40.0).rejected
    assert not at(39.99).rejected
