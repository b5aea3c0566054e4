"""Coroutines that are run at once, and the loop that says when its next moment is."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest

from calib.replay.eager import Done, _rest, start
from calib.virtual_loop import VirtualLoop, run


async def no_wait() -> int:
    return 7


async def waits(trace: list[str]) -> int:
    trace.append("begun")
    try:
        await asyncio.sleep(0.5)
        await asyncio.sleep(0.5)
    finally:
        trace.append("ended")
    return 8


def test_what_never_waits_is_done_at_once_without_a_task() -> None:
    async def main() -> None:
        before = len(asyncio.all_tasks())
        assert start(no_wait()) == Done(7)
        assert len(asyncio.all_tasks()) == before

    run(main())


def test_what_waits_has_begun_and_ends_in_a_task() -> None:
    async def main() -> None:
        trace: list[str] = []
        task = start(waits(trace))
        assert isinstance(task, asyncio.Task)
        assert trace == ["begun"]
        assert await task == 8
        assert asyncio.get_running_loop().time() == 1.0

    run(main())


def test_a_cancellation_and_an_error_reach_the_coroutine() -> None:
    async def fails() -> None:
        await asyncio.sleep(0.1)
        raise ValueError("so it goes")

    async def main() -> None:
        trace: list[str] = []
        task = start(waits(trace))
        assert isinstance(task, asyncio.Task)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert trace == ["begun", "ended"]
        failing = start(fails())
        assert isinstance(failing, asyncio.Task)
        with pytest.raises(ValueError, match="so it goes"):
            await failing

    run(main())


def test_what_waits_can_be_let_go_in_any_order() -> None:
    class Moment:
        def __await__(self) -> Generator[None, None, None]:
            yield

    async def waits(trace: list[str]) -> None:
        try:
            await Moment()
        finally:
            trace.append("ended")

    for inner_first in (True, False):  # the collector of garbage asks nobody which to end first
        trace: list[str] = []
        coro = waits(trace)
        rest = _rest(coro, coro.send(None))
        rest.send(None)
        if inner_first:
            coro.close()
        rest.close()
        coro.close()
        assert trace == ["ended"]


def test_the_loop_says_when_anything_is_next_to_run() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        assert loop.next_due_ns() is None
        timer = loop.call_later(2.0, str)
        loop.call_later(3.0, str)
        assert loop.next_due_ns() == 2_000_000_000
        timer.cancel()
        assert loop.next_due_ns() == 3_000_000_000
        before = loop.scheduled
        loop.call_soon(str)
        assert loop.next_due_ns() == 0  # ready: now
        assert loop.scheduled == before + 1
        loop.call_at(9.0, str)
        assert loop.scheduled == before + 2

    run(main())
