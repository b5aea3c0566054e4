"""Damage anywhere inside a state file is refused by name; one absurd record never disarms the evaluation."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from calib.errors import BadState
from calib.experiments import ABHarness, ABSettings, CanaryController, State
from tests.experiments.test_rollback import SYMBOLS, T0, canary_at_half, harm, harness

WRONG: list[Any] = [None, True, -1, "x", [], {}, [1], {"a": 1}, 10**400, 1.5]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        yield (*path, key)
        yield from places(part, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], fresh: Any) -> Any:
    body = copy.deepcopy(value)
    inside = body
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = fresh
    return body


def ab_state(directory: Path, *, switchback: bool) -> dict[str, Any]:
    settings = ABSettings(assignment="switchback" if switchback else "rank", min_fills=1)
    ab = ABHarness("shadow", 0.5, symbols=SYMBOLS, settings=settings, directory=directory)
    harm(ab, 0, 400)
    return dict(json.loads((directory / "state.json").read_text()))


@pytest.mark.parametrize("switchback", [True, False])
def test_every_change_inside_an_ab_state_is_refused(tmp_path: Path, switchback: bool) -> None:
    state = ab_state(tmp_path, switchback=switchback)
    settings = ABSettings(assignment="switchback" if switchback else "rank", min_fills=1)
    count = 0
    for index, path in enumerate(places(state)):
        before = state
        for key in path:
            before = before[key]
        wrong = WRONG[index % len(WRONG)]
        if path == ("checksum",) or wrong == before:
            continue
        try:
            text = json.dumps(replaced(state, path, wrong))
        except ValueError:
            continue
        (tmp_path / "state.json").write_text(text)
        with pytest.raises(BadState, match=r"state\.json"):
            ABHarness("shadow", 0.5, symbols=SYMBOLS, settings=settings, directory=tmp_path)
        count += 1
    assert count > 100


def test_wrong_types_are_refused_in_states_without_a_checksum(tmp_path: Path) -> None:
    """States of older versions have none: their shape alone must tell. Evidence and the fingerprint may be anything."""
    state = ab_state(tmp_path, switchback=True)
    del state["checksum"]
    free = ("fingerprint", "version")
    for path in places(state):
        if path[0] in free:
            continue
        (tmp_path / "state.json").write_text(json.dumps(replaced(state, path, {"x": [True]})))
        with pytest.raises(BadState, match=r"state\.json"):
            ABHarness("shadow", 0.5, symbols=SYMBOLS, directory=tmp_path)


def test_every_change_inside_a_canarys_state_is_refused(tmp_path: Path) -> None:
    canary, now = canary_at_half(tmp_path)
    canary.check(now)
    state = json.loads((tmp_path / "state.json").read_text())
    for path in places(state):
        if path == ("checksum",):
            continue
        (tmp_path / "state.json").write_text(json.dumps(replaced(state, path, {"x": [True]})))
        with pytest.raises(BadState, match=r"state\.json"):
            CanaryController(tmp_path)


@pytest.mark.parametrize("rollback", [True, [], "", 0, {}, {"ts": "soon"}, {"ts": math.inf}])
def test_trap_an_odd_rollback_does_not_read_as_running(tmp_path: Path, rollback: Any) -> None:
    state = ab_state(tmp_path, switchback=True)
    del state["checksum"]
    (tmp_path / "state.json").write_text(json.dumps(state | {"rollback": rollback}))
    with pytest.raises(BadState):
        ABHarness("shadow", 0.5, symbols=SYMBOLS, directory=tmp_path)


def test_a_damaged_flag_is_refused(tmp_path: Path) -> None:
    harness(tmp_path)
    (tmp_path / "rollback.json").write_text('{"schema": "calib.rollback/1", "rollback": []}')
    with pytest.raises(BadState, match=r"rollback\.json"):
        harness(tmp_path)


def test_a_damaged_rollback_in_the_audit_is_in_force(tmp_path: Path) -> None:
    harness(tmp_path)
    (tmp_path / "audit.jsonl").write_text('{"event": "rollback", "ts": null}\n{"event": "reset"}\n{"torn')
    assert harness(tmp_path).state is State.ROLLED_BACK


def test_states_of_the_version_before_are_read(tmp_path: Path) -> None:
    state = ab_state(tmp_path, switchback=True)
    old = {name: state[name] for name in ("schema", "fingerprint", "router", "rollback", "resets")}
    progress = dict(state["progress"])
    old["progress"] = {"grid": progress["grid"], "absent_b": progress["absent_b"]}
    old["progress"] |= {"seed": progress["threshold"], "sound": progress["sequential"]}
    (tmp_path / "state.json").write_text(json.dumps(old))
    settings = ABSettings(assignment="switchback", min_fills=1)
    again = ABHarness("shadow", 0.5, symbols=SYMBOLS, settings=settings, directory=tmp_path)
    assert again.engine.sequential.to_state() == progress["sequential"]


ABSURD = st.one_of(
    st.integers(), st.floats(), st.text(), st.none(), st.booleans(), st.just(10**400), st.just(-(10**400)),
    st.just(1e308), st.just(5e-324), st.lists(st.integers()), st.just({}),
)  # fmt: skip


@given(fields=st.lists(ABSURD, min_size=12, max_size=12))
@hypothesis_settings(max_examples=150, deadline=None)
def test_an_absurd_record_is_counted_and_the_harm_is_still_found(fields: list[Any]) -> None:
    settings = ABSettings(assignment="rank", decision="threshold", hold_s=20, min_fills=1)
    ab = ABHarness("online", 0.5, symbols=SYMBOLS, settings=settings)
    price, qty, quote, mid_quote, mid, slip, fee, identity, ts_quote, total, rate, quotes = fields
    fill = {"quote_price": quote, "mid_at_quote": mid_quote, "mid_now": mid, "slip_bps": slip, "fee_bps": fee}
    ab.record_fill("S0", T0, "buy", price, qty, "maker", **fill, quote_id=identity, ts_quote=ts_quote)
    ab.record_fill("S0", T0, "buy", 100.0, 1.0, "maker", **fill, quote_id=identity, ts_quote=ts_quote)
    ab.record_tick("S0", T0, total, False, sample_rate=rate, n_quotes=quotes)
    ab.record_tick("S0", T0, 5.0, False, sample_rate=rate, n_quotes=quotes)
    harm(ab, 1, 60)
    assert ab.state is State.ROLLED_BACK


def test_trap_a_sample_rate_of_10_to_the_400_does_not_disarm_evaluate() -> None:
    ab = ABHarness("online", 0.5, symbols=SYMBOLS, settings=ABSettings(assignment="switchback"))
    ab.record_tick("S0", T0, 5.0, False, sample_rate=10**400)
    ab.evaluate(T0 + 600)
    assert ab.status()["counts"]["rejected_tick"] == 1


def test_an_absurd_tick_of_a_canary_is_counted(tmp_path: Path) -> None:
    canary, now = canary_at_half(tmp_path)
    fields = {"cache_hit": True, "deadline_miss": False}
    for ts, ms in ((now, 10**400), (now, math.nan), (math.inf, 5.0), (10**400, 5.0)):
        canary.record_tick("S0", ts, tick_total_ms=50.0, fetch_md_ms=ms, **fields)
    assert canary.status()["counts"]["rejected_tick"] == 4
    canary.check(now + 1)
