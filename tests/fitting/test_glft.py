"""Quotes against the GLFT paper's parameters and hftbacktest's notebook."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calib.fitting.glft import QuotingInputs, avellaneda_stoikov, closed_form, exact_quotes, quote_constant

NOTEBOOK = QuotingInputs(2.986162360812285, 0.04235741115084049, 10.69)
PAPER = QuotingInputs(0.9, 0.3, 0.3)


def test_notebook() -> None:
    """hftbacktest, GLFT notebook, cells 14 to 20: half and skew in its ticks."""
    half, skew = closed_form(NOTEBOOK, 0.05)
    assert half == pytest.approx(20.47208533844371, rel=1e-12)
    assert skew == pytest.approx(9.76326865029227, rel=1e-12)


def test_units_bite() -> None:
    """k per half tick read as per tick, and sigma per sqrt(min): both look plausible and are wrong."""
    half_ticks, _ = closed_form(QuotingInputs(2.986162360812285, 0.04235741115084049 * 2, 10.69), 0.05)
    minutes, _ = closed_form(QuotingInputs(2.986162360812285, 0.04235741115084049, 10.69 * math.sqrt(60)), 0.05)
    assert half_ticks == pytest.approx(12.4, abs=0.05)
    assert minutes == pytest.approx(53.4, abs=0.2)


def test_the_papers_parameters() -> None:
    quotes = exact_quotes(PAPER, 0.01)
    assert quotes is not None
    assert quotes.half_bps == pytest.approx(3.313046, abs=1e-6)
    assert closed_form(PAPER, 0.01) == pytest.approx((3.312915, 0.067866), abs=1e-6)


def test_a_jump_with_each_fill() -> None:
    market = QuotingInputs(0.9, 0.3, 0.3, 1.0)
    quotes = exact_quotes(market, 0.01)
    assert quotes is not None
    assert quotes.half_bps == pytest.approx(3.815710, abs=1e-6)
    assert closed_form(market, 0.01)[0] == pytest.approx(3.815558, abs=1e-6)


def test_the_eigenvector_is_the_limit_of_the_paper_s_equation() -> None:
    """Thirty-one inventories, v' = M v from ones over 600 s by the matrix exponential (squared Taylor steps)."""
    k, gamma, size = 0.3, 0.01, 31
    q = np.arange(-15, 16, dtype=float)
    beside = 0.9 * (1 + gamma / k) ** -(1 + k / gamma)
    matrix = -np.diag(k * gamma * 0.09 * q**2 / 2) + beside * (np.eye(size, k=1) + np.eye(size, k=-1))
    small = matrix * 600 / 2**16
    step = np.eye(size) + small + small @ small / 2 + small @ small @ small / 6 + np.linalg.matrix_power(small, 4) / 24
    v = np.linalg.matrix_power(step, 2**16) @ np.ones(size)
    half = math.log(v[15] / v[16]) / k + math.log1p(gamma / k) / gamma
    quotes = exact_quotes(PAPER, gamma, 15)
    assert quotes is not None
    assert quotes.half_bps == pytest.approx(half, abs=1e-6)


def test_where_the_closed_form_is_seven_percent_low() -> None:
    market = QuotingInputs(0.02, 0.55, 0.45)
    quotes = exact_quotes(market, 0.1)
    assert quotes is not None
    assert closed_form(market, 0.1)[0] / quotes.half_bps - 1 == pytest.approx(-0.07, abs=0.005)


def test_extreme_risk_keeps_its_digits() -> None:
    """The eigenvector itself underflows here; its ratios do not, and quotes are monotone in the inventory."""
    quotes = exact_quotes(QuotingInputs(0.01, 0.5, 50.0), 1.0)
    assert quotes is not None
    bids = [bid for _, bid, _ in quotes.table]
    assert bids == sorted(bids)
    assert [ask for _, _, ask in quotes.table] == bids[::-1]


def test_avellaneda_and_stoikov() -> None:
    """Their paper's example: gamma .1, k 1.5, sigma 2, tau 1: spread .4 + 1.29 = 1.69; -q gamma sigma^2 tau = -.4."""
    spread, reservation = avellaneda_stoikov(QuotingInputs(140.0, 1.5, 2.0), 0.1, 1.0, 1.0)
    assert spread == pytest.approx(0.4 + 20 * math.log(1 + 0.1 / 1.5))
    assert reservation == pytest.approx(-0.4)


def test_without_risk_aversion_the_half_spread_is_one_over_k() -> None:
    assert quote_constant(0.5, 0.0) == 2.0
    assert quote_constant(0.5, 1e-9) == pytest.approx(2.0)
