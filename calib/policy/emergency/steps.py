"""Runs a step with a timeout, so that it cannot delay the next step."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class StepTimeout(Exception):
    """A step did not end within its timeout."""


async def bounded(call: Callable[[], Any], timeout_s: float) -> Any:
    """Return the result of ``call``, awaited if it is awaitable, or raise `StepTimeout`.

    A synchronous function runs in a thread, so that it does not block the event loop. A step that times out is
    cancelled and not waited for, even if it ignores the cancellation.
    """
    if inspect.iscoroutinefunction(call):
        task = asyncio.ensure_future(call())
    else:
        task = asyncio.ensure_future(_threaded(call))
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    finally:
        if not task.done():  # timed out, or the caller was cancelled
            task.cancel()
            task.add_done_callback(_retrieve)
    if not task.done():
        raise StepTimeout(f"did not end within {timeout_s:g} s")
    return task.result()


async def _threaded(call: Callable[[], Any]) -> Any:
    """Run a synchronous function in a daemon thread, which does not keep the process from exiting if it hangs."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def work() -> None:
        result, error = None, None
        try:
            result = call()
        except Exception as caught:
            error = caught
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the loop is closed: the step timed out
            if inspect.iscoroutine(result):
                result.close()

    threading.Thread(target=work, name="calib emergency step", daemon=True).start()
    result = await future
    return await result if inspect.isawaitable(result) else result


def _retrieve(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
