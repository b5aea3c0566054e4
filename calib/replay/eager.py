"""Running a coroutine eagerly, up to its first wait."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Done(NamedTuple):
    """The result of a coroutine that did not have to wait."""

    value: Any


def start(coro: Coroutine[Any, Any, T]) -> Done | asyncio.Task[T]:
    """Run ``coro`` now; if it has to wait, return a task for the rest of it.

    Most reads of a cache do not wait, and a task would cost many times such a read. (From Python 3.12 on,
    `asyncio.eager_task_factory` does this.)
    """
    try:
        waits_for = coro.send(None)
    except StopIteration as stop:
        return Done(stop.value)
    return asyncio.get_running_loop().create_task(_finish(coro, waits_for))


async def _finish(coro: Coroutine[Any, Any, T], waits_for: Any) -> T:
    result: T = await _rest(coro, waits_for)
    return result


@types.coroutine
def _rest(coro: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    while True:
        try:
            sent = yield waits_for
        except GeneratorExit:
            coro.close()  # like `yield from`; does nothing if it has ended, e.g. when both are garbage collected
            raise
        except BaseException as error:  # a cancellation, or an exception of the awaited object
            step: Callable[[], Any] = partial(coro.throw, error)
        else:
            step = partial(coro.send, sent)
        try:
            waits_for = step()
        except StopIteration as stop:
            value: T = stop.value
            return value
