"""One cache on more than one event loop, with eager tasks, and on uvloop where it is installed."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest

from calib.market import Delta, MDCache, MDCacheConfig, Snapshot

BODY = {"bids": [("99", "1")], "asks": [("101", "1")], "update_id": 10}


def test_a_cache_lives_on_in_a_second_loop() -> None:
    """The first loop is closed with a refresh under way and a resync timed: neither is waited for again."""
    calls = 0

    async def fetch(symbol: str, depth: int) -> Any:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.03)
        return BODY

    cache = MDCache(MDCacheConfig(enabled=True, sequence_rule="range"), fetch)

    async def first() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cache.get_orderbook("X"), 0.01)
        cache.on_book("Y", Delta([("99", "1")], [], 9, first_id=9))

    async def second() -> Any:
        for update_id in range(10, 30):
            cache.on_book("Y", Delta([("99", "1")], [], update_id, first_id=update_id))
            await asyncio.sleep(0.02)
        stream = cache.stream("Y")
        assert stream is not None
        assert stream.live
        answer = await asyncio.wait_for(cache.get_orderbook("X"), 5)
        await cache.close()
        return answer

    one = asyncio.new_event_loop()
    one.set_exception_handler(lambda *_: None)  # the loop complains of the task that dies with it
    one.run_until_complete(first())
    pending = asyncio.all_tasks(one)
    one.close()
    two = asyncio.new_event_loop()
    book, meta = two.run_until_complete(second())
    two.close()
    assert (book is not None, meta.status) == (True, "miss")
    for task in pending:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # it was left on purpose


class _Started:
    """A coroutine whose first step was taken, as an eager task takes it: for interpreters that have none."""

    def __init__(self, coroutine: Any, first: Any) -> None:
        self.coroutine, self.first = coroutine, first

    def __await__(self) -> Generator[Any, Any, Any]:
        value = self.first
        while True:
            sent = yield value
            try:
                value = self.coroutine.send(sent)
            except StopIteration as stop:
                return stop.value


def on(factory: Callable[..., Any], main: Any) -> Any:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(factory)
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="CPython has eager tasks from 3.12 on")
@pytest.mark.parametrize("suspends", [True, False])
def test_eager_tasks_give_every_reader_its_book_by_one_request(suspends: bool) -> None:
    calls = running = most = 0

    async def fetch(symbol: str, depth: int) -> Any:
        nonlocal calls, running, most
        calls += 1
        running += 1
        most = max(most, running)
        if suspends:
            await asyncio.sleep(0.01)
        running -= 1
        return BODY

    async def main() -> list[Any]:
        cache = MDCache(MDCacheConfig(enabled=True), fetch)
        answers = await asyncio.gather(*(asyncio.create_task(cache.get_orderbook("X", 5)) for _ in range(50)))
        await cache.close()
        return answers

    answers = on(asyncio.eager_task_factory, main())  # type: ignore[attr-defined,unused-ignore]
    assert all(book is not None for book, _ in answers)
    assert (calls, most) == (1, 1)


def test_a_refresh_whose_first_step_runs_inside_create_task_waits_for_its_turn() -> None:
    """Emulated for interpreters without eager tasks: the loop drives the coroutine before the task is known."""

    async def fetch(symbol: str, depth: int) -> Any:
        return BODY

    class Loop(asyncio.SelectorEventLoop):
        def create_task(self, coro: Any, **options: Any) -> Any:
            if not str(options.get("name", "")).startswith("calib refresh"):
                return super().create_task(coro, **options)
            first = coro.send(None)

            async def rest() -> Any:
                return await _Started(coro, first)

            return super().create_task(rest(), **options)

    async def main() -> list[Any]:
        cache = MDCache(MDCacheConfig(enabled=True), fetch)
        answers = await asyncio.gather(*(cache.get_orderbook("X", 5) for _ in range(50)))
        await cache.close()
        return answers

    loop = Loop()
    answers = loop.run_until_complete(main())
    loop.close()
    assert all(book is not None for book, _ in answers)


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_the_cache_works_on_uvloop() -> None:
    uvloop = importlib.import_module("uvloop")

    async def fetch(symbol: str, depth: int) -> Any:
        await asyncio.sleep(0.005)
        return BODY

    async def main() -> Any:
        cache = MDCache(MDCacheConfig(enabled=True), fetch)
        cache.on_book("Y", Snapshot([("99", "1")], [("101", "1")], 10))
        answers = await asyncio.gather(*(cache.get_orderbook(symbol, 5) for symbol in "XXXY"))
        await cache.close()
        return [meta.status for _, meta in answers]

    loop = uvloop.new_event_loop()
    statuses = loop.run_until_complete(main())
    loop.close()
    assert statuses == ["miss", "coalesced", "coalesced", "fresh"]
