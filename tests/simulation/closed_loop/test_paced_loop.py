"""Virtual time at the machine's pace, with a machine made for the test."""

from __future__ import annotations

import asyncio

from calib.clock import NS_PER_S, VirtualClock
from calib.simulation.closed_loop.paced_loop import PacedLoop
from calib.virtual_loop import run


class Machine:
    """Real time that passes in sleeps, and in work that is said."""

    def __init__(self) -> None:
        self.ns = 7 * NS_PER_S
        self.slept_s: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.ns += round(seconds * NS_PER_S)

    def now_ns(self) -> int:
        return self.ns


def paced(machine: Machine) -> PacedLoop:
    return PacedLoop(VirtualClock(), sleep=machine.sleep, now_ns=machine.now_ns)


def test_each_step_waits_for_real_time() -> None:
    machine, seen = Machine(), list[float]()

    async def main() -> None:
        for delay_s in (0.5, 2.0):
            await asyncio.sleep(delay_s)
            seen.append(machine.ns / NS_PER_S)

    run(main(), loop=paced(machine))
    assert seen == [7.5, 9.5]
    assert machine.slept_s == [0.5, 2.0]


def test_a_slow_machine_falls_behind_and_catches_up_without_waiting() -> None:
    machine = Machine()

    async def main() -> None:
        await asyncio.sleep(1.0)
        machine.ns += 5 * NS_PER_S  # a step that took long
        await asyncio.sleep(1.0)
        await asyncio.sleep(1.0)
        await asyncio.sleep(4.0)

    run(main(), loop=paced(machine))
    assert machine.slept_s == [1.0, 1.0]  # due at 2 and 3 s: at once; at 7 s: a second later than now
    assert machine.ns == 14 * NS_PER_S
