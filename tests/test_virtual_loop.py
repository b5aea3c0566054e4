"""The virtual-time loop: order, exactness, and what it refuses to leave behind."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.clock import VirtualClock
from calib.virtual_loop import Deadlock, LeakedTasks, UnretrievedException, VirtualLoop, VirtualLoopError, drive, run


@given(st.lists(st.integers(0, 3), max_size=40), st.lists(st.integers(0, 39), max_size=10))
@settings(max_examples=60, deadline=None)
def test_timers_due_at_once_run_in_the_order_of_scheduling(delays: list[int], cancelled: list[int]) -> None:
    async def main() -> list[int]:
        loop, order = asyncio.get_running_loop(), []  # type: ignore[var-annotated]
        handles = [loop.call_later(delay / 10, order.append, index) for index, delay in enumerate(delays)]
        for index in cancelled:
            if index < len(handles):
                handles[index].cancel()
        await asyncio.sleep(1)
        return order

    kept = [index for index in range(len(delays)) if index not in cancelled]
    assert run(main()) == sorted(kept, key=lambda index: (delays[index], index))


def test_sleeping_for_a_year_is_exact_and_takes_no_time() -> None:
    clock = VirtualClock(1_735_689_600.0)

    async def main() -> None:
        for _ in range(365):
            await asyncio.sleep(86_400.000_000_001)

    begin = time.monotonic()
    run(main(), clock=clock)
    assert clock.monotonic_ns() == 365 * 86_400_000_000_001
    assert clock.time() == pytest.approx(1_735_689_600.0 + 365 * 86_400)
    assert time.monotonic() - begin < 60


@given(st.integers(0, 52 * 86_400 * 10**9), st.integers(0, 10**9))
@settings(max_examples=100, deadline=None)
def test_call_at_with_a_float_is_exact_to_the_nanosecond_for_52_days(start_ns: int, later_ns: int) -> None:
    clock = VirtualClock()
    clock.advance_ns(start_ns)

    async def main() -> int:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_at(loop.time(), lambda: done.set_result(clock.monotonic_ns()))
        loop.call_later(later_ns / 1e9, lambda: None)
        reached: int = await done
        return reached

    assert run(main(), clock=clock) == start_ns


def test_timeout_and_wait_for_end_at_their_moment() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.25):
                await asyncio.sleep(10)
        first = loop.time()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 0.5)
        return first, loop.time()

    assert run(main()) == (0.25, 0.75)


def test_gather_and_task_group_run_side_by_side() -> None:
    async def worker(delay: float, name: str) -> str:
        await asyncio.sleep(delay)
        return name

    async def main() -> tuple[list[str], float]:
        first = await asyncio.gather(worker(3, "a"), worker(1, "b"))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(worker(2, "c")), group.create_task(worker(1, "d"))]
        return [*first, *(task.result() for task in tasks)], asyncio.get_running_loop().time()

    assert run(main()) == (["a", "b", "c", "d"], 5.0)


def test_a_clock_advanced_from_inside_makes_timers_due_in_their_order() -> None:
    clock = VirtualClock()

    async def main() -> list[str]:
        loop, order = asyncio.get_running_loop(), []  # type: ignore[var-annotated]
        loop.call_later(2, order.append, "two")
        loop.call_later(1, order.append, "one")
        clock.advance_ms(5_000)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return order

    assert run(main(), clock=clock) == ["one", "two"]
    assert clock.monotonic_ns() == 5_000_000_000


def test_waiting_for_nothing_is_a_deadlock_that_names_the_task() -> None:
    async def waits_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock, match="waits_for_ever"):
        run(waits_for_ever())


def test_a_task_left_running_is_an_error_and_is_cancelled() -> None:
    ended: list[str] = []

    async def forgotten() -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            ended.append("cancelled")

    async def main() -> None:
        kept.append(asyncio.create_task(forgotten()))
        await asyncio.sleep(1)

    kept: list[asyncio.Task[None]] = []
    with pytest.raises(LeakedTasks, match="forgotten"):
        run(main())
    assert ended == ["cancelled"]


@pytest.mark.parametrize("keep", [True, False])
def test_an_exception_nobody_asked_for_is_an_error(keep: bool) -> None:
    async def fails() -> None:
        raise KeyError("lost")

    kept: list[asyncio.Task[None]] = []

    async def main() -> None:
        task = asyncio.create_task(fails())
        if keep:
            kept.append(task)
        del task
        await asyncio.sleep(1)

    with pytest.raises(UnretrievedException, match="lost") as caught:
        run(main())
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_exception_in_a_callback_is_an_error() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)

    with pytest.raises(VirtualLoopError, match="division"):
        run(main())


def test_the_main_tasks_own_error_comes_through_unchanged() -> None:
    async def main() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run(main())


def test_a_swallowed_and_retrieved_failure_is_no_error() -> None:
    async def fails() -> None:
        raise ValueError

    async def main() -> list[object]:
        return list(await asyncio.gather(fails(), fails(), return_exceptions=True))

    assert [type(result) for result in run(main())] == [ValueError, ValueError]


def test_cancelled_timers_do_not_pile_up() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        for _ in range(10_000):
            async with asyncio.timeout(3_600):
                await asyncio.sleep(0)
        return len(loop._due)

    assert run(main()) < 200


def test_threads_are_refused() -> None:
    async def main() -> None:
        await asyncio.to_thread(time.monotonic)

    with pytest.raises(NotImplementedError, match="cannot run threads"):
        run(main())


def test_async_generators_are_closed() -> None:
    closed: list[bool] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    async def main() -> None:
        stream = numbers()
        kept.append(stream)
        assert await anext(stream) == 1

    kept: list[object] = []
    run(main())
    assert closed == [True]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_that_loses_a_wake_up_ends_the_run_all_the_same(kind: type[BaseException]) -> None:
    ended: list[str] = []

    async def waits(future: asyncio.Future[None]) -> None:
        try:
            await future
        finally:
            ended.append("waits")

    async def sleeps() -> None:
        try:
            await asyncio.sleep(9.0)
        finally:
            ended.append("sleeps")

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def for_ever() -> None:
            loop.call_later(1.0, for_ever)

        def struck(*_args: object, **_options: object) -> asyncio.Handle:
            del loop.call_soon  # the next call goes its way
            raise kind

        for_ever()
        future = loop.create_future()
        tasks = [asyncio.create_task(waits(future)), asyncio.create_task(sleeps())]
        await asyncio.sleep(0)
        loop.call_soon = struck  # type: ignore[method-assign]
        future.set_result(None)  # tells the loop to wake `waits`, and is interrupted there
        await asyncio.gather(*tasks)

    with pytest.raises(kind):
        run(main())
    assert "sleeps" in ended


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=20), st.lists(st.integers(0, 30), max_size=8)
)
@settings(max_examples=60, deadline=None)
def test_a_driven_loop_runs_what_a_task_that_sleeps_would_see(timers: list[tuple[int, int]], stops: list[int]) -> None:
    """Timers that set up others, looked at between sleeps of a task, and between steps of the loop."""

    def begin(loop: VirtualLoop, seen: list[tuple[int, str]]) -> None:
        def rings(name: str, again_ms: int) -> None:
            seen.append((loop.clock.monotonic_ns(), name))
            loop.call_soon(lambda: seen.append((loop.clock.monotonic_ns(), f"soon {name}")))
            if again_ms:
                loop.call_later(again_ms / 1000, rings, f"{name}'", 0)

        for number, (due_ms, again_ms) in enumerate(timers):
            loop.call_later(due_ms / 1000, rings, str(number), again_ms)

    def driven(loop: VirtualLoop) -> list[tuple[int, str]]:
        seen: list[tuple[int, str]] = []
        begin(loop, seen)
        for stop_ms in sorted(stops):
            loop.run_until_ns(stop_ms * 1_000_000)
            seen.append((loop.clock.monotonic_ns(), "stop"))
        return seen

    async def slept() -> list[tuple[int, str]]:
        loop, seen = asyncio.get_running_loop(), list[tuple[int, str]]()
        assert isinstance(loop, VirtualLoop)
        begin(loop, seen)
        for stop_ms in sorted(stops):
            while True:
                next_ns = loop.next_due_ns()
                if next_ns is None or next_ns > stop_ms * 1_000_000:
                    break
                await asyncio.sleep(max(0, next_ns - loop.clock.monotonic_ns()) / 1e9)
            loop.clock.reach_ns(stop_ms * 1_000_000)
            seen.append((loop.clock.monotonic_ns(), "stop"))
        return seen

    assert drive(driven) == run(slept())


def test_what_is_driven_may_start_tasks_and_must_end_them() -> None:
    async def waits(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return asyncio.get_running_loop().time()

    def ends(loop: VirtualLoop) -> tuple[bool, float]:
        task = asyncio.get_running_loop().create_task(waits(1.0))
        loop.run_until_ns(1_000_000_000)
        return task.done(), loop.finish(waits(2.0))

    assert drive(ends) == (True, 3.0)
    with pytest.raises(LeakedTasks):
        drive(lambda loop: loop.create_task(waits(1.0)).done())
    with pytest.raises(Deadlock):
        drive(lambda loop: loop.finish(_for_ever()))
    with pytest.raises(ZeroDivisionError):
        drive(lambda loop: loop.finish(_fails()))


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def _fails() -> None:
    raise ZeroDivisionError


def test_another_loop_stands_still_meanwhile_and_goes_on() -> None:
    async def sleeps() -> float:
        await asyncio.sleep(5.0)
        return asyncio.get_running_loop().time()

    async def cell() -> list[float]:
        outer = asyncio.get_running_loop()
        found = [run(sleeps()), drive(lambda loop: loop.finish(sleeps()))]
        assert asyncio.get_running_loop() is outer
        await asyncio.sleep(0)
        return found

    assert asyncio.run(cell()) == [5.0, 5.0]


def test_a_loop_that_an_interrupt_left_half_made_goes_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    half = VirtualLoop.__new__(VirtualLoop)
    del half
    assert said == []
