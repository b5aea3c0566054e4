"""Latency sources and the fault script."""

from __future__ import annotations

import math

import pytest

from calib.errors import BadFault, BadLatency
from calib.exchange_sim.faults import Fault, FaultKind, FaultScript
from calib.exchange_sim.latency import ConstantLatency, EmpiricalLatency


@pytest.mark.parametrize("ms", [-1.0, math.nan, math.inf])
def test_what_is_no_latency_is_refused(ms: float) -> None:
    with pytest.raises(BadLatency):
        ConstantLatency(ms)
    with pytest.raises(BadLatency):
        EmpiricalLatency([1.0, ms])


def test_no_latencies_at_all_are_refused() -> None:
    with pytest.raises(BadLatency, match="no latencies"):
        EmpiricalLatency([])


@pytest.mark.parametrize("text", ["", "silence", "silence@", "silence@-1", "sleep@1", "gap@1+", "gap@1+2:", "gap@1 2"])
def test_what_spells_no_fault_is_said_with_the_form(text: str) -> None:
    with pytest.raises(BadFault) as caught:
        Fault.parse(text)
    assert "silence@600+5:BTCUSDT" in caught.value.hint


@pytest.mark.parametrize("text", ["gap@10+2:A", "reconnect@900+2", "price-jump@1.5+40:B", "rest-error@0+1"])
def test_a_fault_reads_as_it_is_written(text: str) -> None:
    assert str(Fault.parse(text)) == text


def test_faults_are_ordered_by_their_start_however_given() -> None:
    one, two = Fault.parse("gap@10+2"), Fault.parse("silence@3+5")
    assert FaultScript([one, two]).faults == FaultScript([two, one]).faults == (two, one)
    assert FaultScript([one, two]).of(FaultKind.GAP) == [one]
