"""Starting an awaitable from code that does not await: on the running loop, or on a thread of its own."""

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
"""A loop keeps tasks weakly: without this one could be collected half way."""


def launch(make: Callable[[], object], done: Callable[[], None]) -> None:
    """Run what ``make`` returns to its end, whether or not an event loop runs here; then call ``done``.

    An error is logged as critical and goes no further: the caller is a cache's reader.
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
