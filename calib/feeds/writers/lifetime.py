"""The ends of a process: exit, fork, SIGTERM. Every open logger is known here until it is closed."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Protocol

from calib import system
from calib.errors import SinkError
from calib.feeds.writers.channel import FOR_EVER

_log: Final = logging.getLogger("calib.feeds")


class Closable(Protocol):
    """What is told of the end."""

    def close_within(self, wait_s: float) -> None: ...

    def flush_within(self, wait_s: float) -> None: ...

    def after_fork(self) -> None: ...


SIGNAL_WAIT_S: Final = 10.0
"""A handler of a signal waits for one logger no longer than this."""
_open: dict[int, Closable] = {}
_previous: dict[int, Any] = {}


def register(logger: Closable) -> None:
    """Close ``logger`` when the process exits."""
    _open[id(logger)] = logger


def unregister(logger: Closable) -> None:
    """Forget a logger that was closed."""
    _open.pop(id(logger), None)


def close_all(wait_s: float = FOR_EVER) -> None:
    """Close every open logger; a disk that refuses is logged, as there is no caller to raise it to."""
    for logger in list(_open.values()):
        _quietly(logger.close_within, wait_s)


def install_sigterm() -> None:
    """Write what was accepted when SIGTERM arrives, then do what would have happened without us.

    Where the previous disposition ends the process, the loggers are closed first. Where it is a handler of the bot,
    they are flushed and stay open: that handler may cancel orders and log the last fills.

    Raises
    ------
    ValueError
        Outside the main thread, where Python installs no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ValueError(
            "install_signal_handlers=True works in the main thread only; call the loggers' close() instead"
        )
    if signal.getsignal(signal.SIGTERM) is not _on_sigterm:
        _previous[signal.SIGTERM] = signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    previous = _previous.get(number, signal.SIG_DFL)
    if callable(previous):
        for logger in list(_open.values()):
            _quietly(logger.flush_within, SIGNAL_WAIT_S)
        previous(number, frame)
    elif previous == signal.SIG_DFL:
        close_all(SIGNAL_WAIT_S)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _quietly(step: Callable[[float], None], wait_s: float) -> None:
    try:
        step(wait_s)
    except SinkError as error:  # the others must still be closed
        _log.error("%s", error)


def _after_fork() -> None:
    for logger in list(_open.values()):
        logger.after_fork()
    # multiprocessing ends its children without atexit; its own finalizers run there.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(_FINAL, _finalize)


class _Final:
    """Something that multiprocessing can hold on to."""


_FINAL = _Final()


def _finalize(_: object) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, close_all, exitpriority=0)


system.after_fork(_after_fork)
atexit.register(close_all)
