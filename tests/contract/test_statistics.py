"""One battery for every statistic: bounded, picklable, deterministic, indifferent to batching, right by numpy.

Each case says how an observation is drawn and applied, and computes the value a second time from the raw window.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.features import (
    EMA,
    AbsorbRate,
    DecayedRatio,
    LiveFeature,
    QueueETA,
    RollingQuantile,
    RollingVolatility,
    Statistic,
    TimeEMA,
)

Observation = tuple[int, float, float]
"""Elapsed nanoseconds since the one before (>= 0), and two positive numbers."""


@dataclass(frozen=True)
class Case:
    make: Callable[[], Any]
    apply: Callable[[Any, int, Observation], None]
    recompute: Callable[[list[int], list[Observation]], float | None]


def _weights(alpha: float, n: int) -> Any:
    """Weight of each of n observations in an EMA that starts at the first: a(1-a)^k, the first taking what is left."""
    ages = np.arange(n)[::-1]
    weights: Any = alpha * (1 - alpha) ** ages
    weights[0] = (1 - alpha) ** (n - 1)
    return weights


def _ema(_times: list[int], seen: list[Observation]) -> float | None:
    return float(_weights(0.1, len(seen)) @ np.array([x for _, x, _ in seen])) if seen else None


def _time_ema(times: list[int], seen: list[Observation]) -> float | None:
    moments: dict[int, list[float]] = {}
    for time, (_, x, _) in zip(times, seen, strict=True):
        moments.setdefault(time, []).append(x)
    keys = np.array(list(moments), dtype=float)
    if not len(keys):
        return None
    means = np.array([np.mean(values) for values in moments.values()])
    keep = np.append(2.0 ** (-np.diff(keys) / 5e9), 1.0)
    faded = np.append(np.cumprod(keep[::-1])[::-1], 1.0)
    weights = np.concatenate([[1.0], 1.0 - keep[:-1]]) * faded[:-1]
    return float(weights @ means)


def _p95(_times: list[int], seen: list[Observation]) -> float | None:
    return float(np.quantile([x for _, x, _ in seen][-20:], 0.95)) if seen else None


def _volatility(times: list[int], seen: list[Observation]) -> float | None:
    kept: list[tuple[int, float]] = []
    for time, (_, mid, _) in zip(times, seen, strict=True):
        if not kept or time > kept[-1][0]:
            kept.append((time, mid))
    if len(kept) < 2:
        return None
    returns = np.diff(np.log([mid for _, mid in kept]))
    elapsed_s = np.diff([time for time, _ in kept]) / 1e9
    weights = _weights(0.1, len(returns))
    return float(1e4 * np.sqrt(weights @ returns**2 / (weights @ elapsed_s)))


def _absorb(times: list[int], seen: list[Observation]) -> float | None:
    kept: list[tuple[int, float]] = []
    for time, (_, ahead, _) in zip(times, seen, strict=True):
        if not kept or time > kept[-1][0]:
            kept.append((time, ahead))
    if len(kept) < 2:
        return None
    queue = np.array([quantity for _, quantity in kept])
    rates = np.maximum(0.0, queue[:-1] - queue[1:]) / (np.diff([time for time, _ in kept]) / 1e9)
    return float(_weights(0.1, len(rates)) @ rates)


def _ratio(_times: list[int], seen: list[Observation]) -> float | None:
    if not seen:
        return None
    faded = 0.9 ** np.arange(len(seen))[::-1]
    return float(faded @ np.array([x > y for _, x, y in seen]) / faded.sum())


def _eta(_times: list[int], seen: list[Observation]) -> float | None:
    return float(_weights(0.1, len(seen)) @ np.array([1000 * (x + 1) / y for _, x, y in seen])) if seen else None


def _try_and_maybe_hit(ratio: DecayedRatio, _now: int, seen: Observation) -> None:
    ratio.tried()
    if seen[1] > seen[2]:
        ratio.hit()


CASES: dict[str, Case] = {
    "EMA": Case(lambda: EMA(0.1), lambda s, now, o: s.update(o[1]), _ema),
    "TimeEMA": Case(lambda: TimeEMA(5.0), lambda s, now, o: s.update(o[1], now), _time_ema),
    "RollingQuantile": Case(lambda: RollingQuantile(0.95, 20), lambda s, now, o: s.update(o[1]), _p95),
    "RollingVolatility": Case(lambda: RollingVolatility(0.1), lambda s, now, o: s.update(o[1], now), _volatility),
    "AbsorbRate": Case(lambda: AbsorbRate(0.1), lambda s, now, o: s.update("q", o[1], now), _absorb),
    "DecayedRatio": Case(lambda: DecayedRatio(0.1), _try_and_maybe_hit, _ratio),
    "QueueETA": Case(lambda: QueueETA(0.1), lambda s, now, o: s.update(o[1], 1.0, o[2], now), _eta),
}

observations = st.lists(
    st.tuples(
        st.integers(0, 20_000_000_000).map(lambda ns: ns // 1000 * 1000),
        st.floats(1e-3, 1e6, allow_subnormal=False),
        st.floats(1e-3, 1e6, allow_subnormal=False),
    ),
    max_size=60,
)


def _times(seen: list[Observation]) -> list[int]:
    return [int(time) for time in np.cumsum([elapsed for elapsed, _, _ in seen], dtype=np.int64)]


def test_every_statistic_has_a_case() -> None:
    statistics = {kind.__name__ for kind in Statistic.__subclasses__() if not issubclass(kind, LiveFeature)}
    assert statistics == set(CASES)  # live features have a battery of their own


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_nothing_observed_is_none(case: Case) -> None:
    assert case.make().get() is None


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@given(seen=observations)
@settings(max_examples=60, deadline=None)
def test_equals_a_recomputation_over_the_raw_window(case: Case, seen: list[Observation]) -> None:
    statistic, times = case.make(), _times(seen)
    for time, observation in zip(times, seen, strict=True):
        case.apply(statistic, time, observation)
    expected = case.recompute(times, seen)
    assert statistic.get() == (None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-12))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@given(seen=observations, cut=st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_reading_and_pickling_in_between_changes_nothing(case: Case, seen: list[Observation], cut: int) -> None:
    one, other, times = case.make(), case.make(), _times(seen)
    for position, (time, observation) in enumerate(zip(times, seen, strict=True)):
        case.apply(one, time, observation)
        if position == cut:
            other = pickle.loads(pickle.dumps(other))
        case.apply(other, time, observation)
        other.get()
    assert one.get() == other.get()


def _size(thing: Any, seen: set[int] | None = None) -> int:
    """Bytes of an object and all it holds."""
    seen = set() if seen is None else seen
    if id(thing) in seen or thing is None:
        return 0
    seen.add(id(thing))
    size = sys.getsizeof(thing)
    if isinstance(thing, dict):
        return size + sum(_size(key, seen) + _size(value, seen) for key, value in thing.items())
    if isinstance(thing, list | tuple) or type(thing).__name__ == "deque":
        return size + sum(_size(item, seen) for item in thing)
    for name in {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())}:
        size += _size(getattr(thing, name, None), seen)
    return size


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_memory_is_bounded(case: Case) -> None:
    random = np.random.default_rng(1)
    statistic = case.make()
    sizes = []
    for step in range(4000):
        x, y = (float(value) for value in random.lognormal(size=2))
        case.apply(statistic, step * 1_000_000, (1_000_000, x, y))
        if step in (1000, 3999):
            sizes.append(_size(statistic))
    assert sizes[1] <= sizes[0] + 200


def test_absorb_rate_forgets_the_quote_not_seen_longest() -> None:
    rate = AbsorbRate(0.5, max_quotes=2)
    for quote in ("a", "b", "c"):
        rate.update(quote, 10.0, 0)
    rate.update("a", 0.0, 1_000_000_000)  # "a" was forgotten: this is its first sight
    assert rate.get() is None
    rate.update("c", 4.0, 2_000_000_000)
    assert rate.get() == 3.0


def test_absorb_rate_forgets_a_quote_that_is_gone() -> None:
    rate = AbsorbRate()
    rate.update("a", 10.0, 0)
    rate.forget("a")
    rate.forget("never seen")
    rate.update("a", 0.0, 1_000_000_000)
    assert rate.get() is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: EMA(0.0),
        lambda: EMA(1.1),
        lambda: EMA(float("nan")),
        lambda: TimeEMA(0.0),
        lambda: TimeEMA(float("inf")),
        lambda: DecayedRatio(-1.0),
        lambda: RollingQuantile(1.5),
        lambda: RollingQuantile(0.5, 0),
        lambda: RollingQuantile(0.5, 10_001),
        lambda: RollingVolatility(2.0),
        lambda: RollingVolatility(0.1, -1.0),
        lambda: AbsorbRate(max_quotes=0),
    ],
)
def test_parameters_out_of_range_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="is out of range; expected "):
        make()
