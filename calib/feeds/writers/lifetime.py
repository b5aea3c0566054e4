"""Exit, fork and SIGTERM of the process. Every open logger is registered here until it is closed."""

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
    """A logger that is notified when the process ends or forks."""

    def close_within(self, wait_s: float) -> None: ...

    def flush_within(self, wait_s: float) -> None: ...

    def after_fork(self) -> None: ...


SIGNAL_WAIT_S: Final = 10.0
"""Longest time that a signal handler waits for one logger, s."""
_open: dict[int, Closable] = {}
_previous: dict[int, Any] = {}


def register(logger: Closable) -> None:
    """Close ``logger`` when the process exits."""
    _open[id(logger)] = logger


def unregister(logger: Closable) -> None:
    """Remove a logger that was closed."""
    _open.pop(id(logger), None)


def close_all(wait_s: float = FOR_EVER) -> None:
    """Close every open logger; failures are logged, because there is no caller to raise them to."""
    for logger in list(_open.values()):
        _quietly(logger.close_within, wait_s)


def install_sigterm() -> None:
    """Write the accepted lines when SIGTERM arrives, then continue with the previous disposition.

    If the previous disposition ends the process, the loggers are closed first. If it is a handler of the bot, they are
    flushed and stay open, because that handler may cancel orders and log the last fills.

    Raises
    ------
    ValueError
        Outside the main thread, because Python installs no handlers there.
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
    # multiprocessing ends its children without atexit, but runs its own finalizers.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(_FINAL, _finalize)


class _Final:
    """An object for multiprocessing to reference."""


_FINAL = _Final()


def _finalize(_: object) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, close_all, exitpriority=0)


system.after_fork(_after_fork)
atexit.register(close_all)
