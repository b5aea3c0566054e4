"""Histograms against counting by hand, and against the client's own."""

from __future__ import annotations

import pickle
from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as ClientHistogram

from calib.metrics import MS_BOUNDS, Histogram


@given(st.lists(st.floats(0, 10_000, allow_nan=False) | st.sampled_from(MS_BOUNDS), max_size=60))
def test_buckets_are_those_of_the_client(observations: list[float]) -> None:
    registry = CollectorRegistry()
    peer = ClientHistogram("x", "X.", registry=registry, buckets=MS_BOUNDS)
    ours = Histogram()
    for x in observations:
        peer.observe(x)
        ours.observe(x)
    below = {
        sample.labels["le"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "x_bucket"
    }
    counts, running = ours.counts(), 0
    for bound, count in zip([*(repr(bound) for bound in MS_BOUNDS), "+Inf"], counts.counts, strict=True):
        running += count
        assert below[bound] == running
    assert counts.total == sum(observations)


def test_what_is_not_a_duration_is_refused_and_counted() -> None:
    histogram = Histogram()
    for x in (-0.001, float("nan"), float("inf"), float("-inf")):
        histogram.observe(x)
    assert histogram.refused == 4
    assert sum(histogram.counts().counts) == 0
    assert histogram.counts().total == 0.0


def test_counts_are_a_copy() -> None:
    histogram = Histogram((1.0,))
    before = histogram.counts()
    histogram.observe(0.5)
    assert before.counts == (0, 0)
    assert histogram.counts().counts == (1, 0)


def test_both_together() -> None:
    one, other = Histogram((1.0,)), Histogram((1.0,))
    one.observe(0.5)
    other.observe(3.0)
    assert one.counts().plus(other.counts()) == ((1.0,), (1, 1), 3.5)


def test_it_survives_pickling() -> None:
    histogram = Histogram((1.0,))
    histogram.observe(0.25)
    assert pickle.loads(pickle.dumps(histogram)).counts() == histogram.counts()


def test_limits_of_a_fetch_and_of_a_tick_are_bounds() -> None:
    assert {35.0, 100.0, 200.0, 5000.0} <= set(MS_BOUNDS)
    assert MS_BOUNDS[bisect_left(MS_BOUNDS, 36.0)] == 50.0
