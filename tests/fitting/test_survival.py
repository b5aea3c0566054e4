"""Kaplan-Meier and Aalen-Johansen against Freireich's remission times (1963)."""

from __future__ import annotations

import numpy as np
import pytest

from calib.fitting.survival import aalen_johansen, kaplan_meier

WEEKS = np.array([6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35], float)
RELAPSE = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], bool)
CURVE = kaplan_meier(WEEKS, RELAPSE)
PRINTED = {
    # week: survival, standard error, log interval
    6: (0.8571, 0.0764, 0.720, 1.0),
    7: (0.8067, 0.0869, 0.653, 0.996),
    10: (0.7529, 0.0963, 0.586, 0.968),
    13: (0.6902, 0.1068, 0.510, 0.935),
    16: (0.6275, 0.1141, 0.439, 0.896),
    22: (0.5378, 0.1282, 0.337, 0.858),
    23: (0.4482, 0.1346, 0.249, 0.807),
}


def test_survival_and_greenwood_as_printed() -> None:
    low, high = CURVE.interval(0.95, "log")
    printed = np.array(list(PRINTED.values()))
    assert CURVE.times.tolist() == list(map(float, PRINTED))
    assert CURVE.survival == pytest.approx(printed[:, 0], abs=6e-5)
    assert CURVE.standard_error() == pytest.approx(printed[:, 1], abs=6e-5)
    assert low == pytest.approx(printed[:, 2], abs=5e-4)
    assert high == pytest.approx(printed[:, 3], abs=5e-4)


def test_log_log_and_plain_intervals() -> None:
    low, high = CURVE.interval(0.95, "log-log")
    assert (low[0], high[0], low[-1], high[-1]) == pytest.approx((0.620, 0.952, 0.188, 0.680), abs=5e-4)
    low, high = CURVE.interval(0.95, "plain")
    assert (low[0], high[0], low[-1], high[-1]) == pytest.approx((0.707, 1.0, 0.184, 0.712), abs=5e-4)


def test_median_and_its_interval() -> None:
    assert CURVE.quantile(0.5) == 23.0
    low, high = CURVE.quantile_interval(0.5)
    # The log-log interval's lower end first reaches .5 at week 13; its upper end never does.
    assert (low, high) == (13.0, None)


def test_median_is_null_while_the_curve_stays_above() -> None:
    curve = kaplan_meier(np.array([1.0, 2.0, 3.0]), np.array([True, False, False]))
    assert curve.quantile(0.5) is None
    assert curve.quantile(0.25) == 1.0


def test_no_interval_at_zero_and_one() -> None:
    curve = kaplan_meier(np.array([1.0, 2.0]), np.array([True, True]))
    assert curve.survival.tolist() == [0.5, 0.0]
    assert curve.interval_at(2.0) == (None, None)
    assert curve.interval_at(0.5) == (None, None)
    assert curve.interval_at(1.0) != (None, None)


def test_the_two_questions_are_never_mixed() -> None:
    """Four quotes: filled at 1, withdrawn at 2, filled at 3, withdrawn at 4."""
    times, causes = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 3, 1, 3])
    left = kaplan_meier(times, causes == 1)
    assert left.survival.tolist() == pytest.approx([0.75, 0.375])
    traded = aalen_johansen(times, causes, 1)
    assert traded.share.tolist() == pytest.approx([0.25, 0.25, 0.5, 0.5])
    assert aalen_johansen(times, causes, 3).at(4.0)[0] == pytest.approx(0.5)


def test_incidences_and_survival_add_up_to_one() -> None:
    random = np.random.default_rng(5)
    times, causes = random.exponential(1.0, 300), random.integers(0, 4, 300)
    everything = kaplan_meier(times, causes != 0)
    shares = sum(aalen_johansen(times, causes, cause).share for cause in (1, 2, 3))
    assert shares + everything.survival == pytest.approx(np.ones(len(everything.times)))


def test_incidence_without_censoring_has_the_binomial_error() -> None:
    times, causes = np.arange(1.0, 11.0), np.array([1, 3, 1, 3, 3, 1, 1, 3, 1, 1])
    share, error = aalen_johansen(times, causes, 1).at(7.0)
    assert share == pytest.approx(0.4)
    assert error == pytest.approx(np.sqrt(0.4 * 0.6 / 10), rel=1e-9)
