"""SIGTERM and Ctrl-C as exceptions in the main thread, so that every ``finally`` runs; no signal is lost.

Python ignores an exception of a signal handler that is raised in a finaliser, in the callback of a weak reference or in
native code that ignores errors. Therefore each signal is also recorded: an exception that Python reports as ignored is
raised again shortly after, and long jobs check for signals at safe points. No exception is raised during an import:
native modules could panic while they initialise, and a partly initialised module would remain.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final


class Terminated(SystemExit):
    """SIGTERM arrived.

    A `SystemExit`, because event loops propagate it, like the exception of Ctrl-C; any other exception would only end
    the current callback, and the run would continue.
    """

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C.

    A class of its own, because CPython (3.11, `_PyRuntime.signals.unhandled_keyboard_interrupt`) remembers when its own
    `KeyboardInterrupt` leaves code that was made from text, as dataclasses make theirs, and at the end of the process
    kills it by SIGINT, although the exception was handled: the exit code 130 would be lost.
    """


_KINDS: dict[int, type[BaseException]] = {signal.SIGTERM: Terminated, signal.SIGINT: Interrupted}
_RETRY_S: Final = 0.01
"""Delay after which the finaliser that ignored an exception has ended."""
_IMPORT_S: Final = 3.0
"""Longest wait for an import, s; no import of calib takes this long."""
_IMPORTS: Final = "<frozen importlib._bootstrap>"
"""File name of the frames of Python's import system."""
_ALARM: Final = getattr(signal, "SIGALRM", None)
"""Absent on Windows: there, a lost exception is raised at the next safe point, see `check`."""
_arrived: list[type[BaseException]] = []
_lost: list[type[BaseException]] = []
_deadline = [0.0]
"""Time until which the newest signal waits for the end of an import, monotonic seconds."""


def check() -> None:
    """Raise the exception of a received signal whose own exception was lost."""
    if _arrived:
        _lost.clear()
        raise _arrived[0]


def checked(advance: Callable[[float], None]) -> Callable[[float], None]:
    """Wrap a progress function so that each call is a safe point, at which a received signal is raised."""

    def checked_advance(amount: float) -> None:
        check()
        advance(amount)

    return checked_advance


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Turn both signals into exceptions while the block runs."""
    _arrived.clear()
    _lost.clear()
    with contextlib.ExitStack() as stack:
        stack.callback(_arrived.clear)
        try:
            for number in _KINDS:
                stack.enter_context(_handled(number, _arrive))
        except ValueError:  # not the main thread: the embedding program owns the signals
            yield
            return
        stack.enter_context(_raised_again())
        try:
            yield
        except BaseException as error:
            # An error after a lost signal is only its consequence. In Rust it is a panic, whose class is no Exception.
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                check()
            raise


def _arrive(number: int, frame: FrameType | None) -> None:
    _arrived.append(_KINDS[number])
    # Coroutines that were not started yet are dropped on purpose.
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    _deadline[:] = [time.monotonic() + _IMPORT_S]
    if _ALARM is not None and _importing(frame):
        _raise_later(_KINDS[number])
    else:
        raise _KINDS[number]


def _importing(frame: FrameType | None) -> bool:
    """Whether an import is running, for at most `_IMPORT_S`: a program may run the whole command within an import."""
    if time.monotonic() >= _deadline[0]:
        return False
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTS:
            return True
        frame = frame.f_back
    return False


def _raise_later(kind: type[BaseException]) -> None:
    _lost[:] = [kind]
    if _ALARM is not None:
        signal.setitimer(signal.ITIMER_REAL, _RETRY_S)


@contextlib.contextmanager
def _handled(number: int, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, previous)


@contextlib.contextmanager
def _raised_again() -> Iterator[None]:
    """Raise again, after a short delay, the exceptions that Python reports as ignored."""
    if _ALARM is None:
        yield
        return
    previous_hook, previous_handler = sys.unraisablehook, signal.getsignal(_ALARM)

    def hook(lost: sys.UnraisableHookArgs) -> None:
        """Schedule the exception of a signal to be raised again, instead of reporting it as unraisable."""
        if lost.exc_type in _arrived:
            _raise_later(lost.exc_type)
        else:
            previous_hook(lost)

    def again(number: int, frame: FrameType | None) -> None:
        if _lost and _importing(frame):
            _raise_later(_lost[0])
        elif _lost:
            raise _lost.pop()
        if not _arrived and callable(previous_handler):  # an alarm of other code
            previous_handler(number, frame)

    with _handled(_ALARM, again):
        sys.unraisablehook = hook
        try:
            yield
        finally:
            if _arrived:
                signal.setitimer(signal.ITIMER_REAL, 0)
                _lost.clear()
            sys.unraisablehook = previous_hook
