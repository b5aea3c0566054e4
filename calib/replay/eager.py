"""Running a coroutine at once, as far as it goes without waiting."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Done(NamedTuple):
    """What a coroutine returned that never had to wait."""

    value: Any


def start(coro: Coroutine[Any, Any, T]) -> Done | asyncio.Task[T]:
    """Run ``coro`` now; a task for the rest of it where it has to wait.

    Most reads of a cache never wait; a task for each of them would cost many times the read. (From Python 3.12 on this
    is what `asyncio.eager_task_factory` does.)
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
            coro.close()  # as `yield from` does: nothing where it has ended, as when both are garbage together
            raise
        except BaseException as error:  # a cancellation, or the error of what it waited for
            step: Callable[[], Any] = partial(coro.throw, error)
        else:
            step = partial(coro.send, sent)
        try:
            waits_for = step()
        except StopIteration as stop:
            value: T = stop.value
            return value
