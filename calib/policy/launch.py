"""Starts an awaitable from synchronous code: on the running event loop, or in a new thread."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG: Final = logging.getLogger("calib.policy")
_TASKS: Final[set[asyncio.Task[None]]] = set()
"""References to running tasks: the event loop holds only weak ones, so a task could be garbage-collected."""


def launch(make: Callable[[], object], done: Callable[[], None]) -> None:
    """Run the awaitable from ``make``, with or without a running event loop, then call ``done``.

    An error is logged as critical and not raised: the caller is a reader of a cache.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        threading.Thread(target=lambda: asyncio.run(_finish(make, done)), name="calib emergency", daemon=True).start()
        return
    task = loop.create_task(_finish(make, done), name="calib emergency")
    _TASKS.add(task)
    task.add_done_callback(_TASKS.discard)


async def _finish(make: Callable[[], object], done: Callable[[], None]) -> None:
    try:
        result = make()
        if inspect.isawaitable(result):
            await result
    except Exception:
        _LOG.critical("the emergency procedure failed", exc_info=True)
    finally:
        done()
