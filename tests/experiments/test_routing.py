"""Who is in which arm: deterministic, balanced, sticky, monotone."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.errors import ConfigError
from calib.experiments.routing import Assignment, Router, hash_rule, hash_unit, rank_rule, switchback_rule

SYMBOLS = [f"SYM{i}USDT" for i in range(10)]


def test_trap_hash_of_a_string_differs_between_processes() -> None:
    """The rule is sha256's, so processes with different hash seeds agree."""
    code = "from calib.experiments.routing import hash_unit; print(repr(hash_unit('demo', 'BTCUSDT')))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    digest = hashlib.sha256(b"demo\x00BTCUSDT").hexdigest()
    assert said == {repr(int(digest[:16], 16) / 2**64)}


def test_trap_an_independent_hash_leaves_b_empty_and_rank_does_not() -> None:
    """At 20 % of 10 symbols the hash rule leaves B empty for about 0.8^10 = 11 % of salts; rank never does."""
    empty = sum(not any(hash_rule(f"s{i}", s, 0.2) for s in SYMBOLS) for i in range(2000)) / 2000
    assert empty == pytest.approx(0.8**10, abs=0.025)
    two = sum(not any(hash_rule(f"s{i}", s, 0.2) for s in SYMBOLS[:2]) for i in range(2000)) / 2000
    assert two == pytest.approx(0.64, abs=0.04)
    assert {len(rank_rule(f"s{i}", SYMBOLS, 0.2)) for i in range(200)} == {2}


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([Assignment.HASH, Assignment.RANK]),
    st.text(max_size=5),
    st.lists(st.floats(0, 1), min_size=2, max_size=6).map(sorted),
)
def test_trap_growing_the_split_only_ever_adds_symbols(rule: Assignment, salt: str, splits: list[float]) -> None:
    router = Router(rule, salt, splits[0])
    router.add(SYMBOLS)
    before: set[str] = set()
    for split in splits:
        router.set_split(split)
        now = {symbol for symbol in SYMBOLS if router.arm(symbol, 0.0) == "B"}
        assert before <= now
        before = now


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([f"J{i}" for i in range(30)]), min_size=1, max_size=30))
def test_a_symbol_that_joins_moves_nobody_out_of_b(joining: list[str]) -> None:
    router = Router(Assignment.RANK, "x", 0.5)
    in_b: set[str] = set()
    for symbol in joining:
        router.add([symbol])
        now = {known for known in router.symbols if router.arm(known, 0.0) == "B"}
        assert in_b <= now
        assert len(now) == int(0.5 * len(router.symbols) + 0.5)
        in_b = now


@pytest.mark.parametrize("n", [2, 3, 7, 10])
def test_switchback_deals_a_half_and_its_complement_equally_often(n: int) -> None:
    """Over many blocks every symbol is in B half of the time; for odd n the larger half is B half of the time."""
    symbols = SYMBOLS[:n]
    deals = [switchback_rule("salt", symbols, block) for block in range(3000)]
    for symbol in symbols:
        assert sum(symbol in deal for deal in deals) / 3000 == pytest.approx(0.5, abs=0.035)
    sizes = {len(deal) for deal in deals}
    assert sizes == ({n // 2, n - n // 2} if n % 2 else {n // 2})
    if n % 2:
        assert sum(len(deal) > n / 2 for deal in deals) / 3000 == pytest.approx(0.5, abs=0.035)


def test_switchback_is_the_documented_rule() -> None:
    def key(symbol: str) -> bytes:
        return hashlib.sha256(f"s\x0041\x00{symbol}".encode()).digest()[:8]

    ordered = sorted(SYMBOLS[:5], key=key)
    flip = hashlib.sha256(b"s\x0041").digest()[0] & 1
    assert switchback_rule("s", SYMBOLS[:5], 41) == set(ordered[2:] if flip else ordered[:2])


def test_lists_fix_the_arm_and_stay_out_of_the_deal() -> None:
    router = Router(Assignment.RANK, "x", 0.5, whitelist=["SYM0USDT"], blacklist=["SYM1USDT"])
    router.add(SYMBOLS)
    assert router.arm("SYM0USDT", 0.0) == "B"
    assert router.arm("SYM1USDT", 0.0) == "A"
    assert sum(router.arm(symbol, 0.0) == "B" for symbol in router.unlisted()) == 4
    assert router.arm("UNKNOWN", 0.0) == "A"


def test_bad_routing_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match="fraction"):
        Router(Assignment.HASH, "x", 50)
    with pytest.raises(ConfigError, match="fraction"):
        Router(Assignment.HASH, "x", float("nan"))
    with pytest.raises(ConfigError, match=r"0\.2 is not a valid split for switchback"):
        Router(Assignment.SWITCHBACK, "x", 0.2)
    with pytest.raises(ConfigError, match="both lists"):
        Router(Assignment.HASH, "x", 0.5, whitelist=["A"], blacklist=["A"])


def test_hash_unit_is_uniform_enough() -> None:
    values = sorted(hash_unit("u", str(i)) for i in range(4000))
    worst = max(abs(value - (i + 0.5) / 4000) for i, value in enumerate(values))
    assert worst < 1.63 / 4000**0.5  # Kolmogorov-Smirnov, 1 %
