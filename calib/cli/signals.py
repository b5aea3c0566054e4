"""SIGTERM and Ctrl-C as exceptions in the main thread, so that every ``finally`` runs; and none gets lost.

An exception raised by a signal handler is swallowed where it happens to hit a finaliser, a weak reference's callback or
native code that ignores errors. So the arrival is remembered too: what Python says it had to swallow is raised again a
moment later, and a long job asks for the rest at its own safe points. Nothing is raised into an import: native modules
that it strikes while they start up panic, and a module half made stays behind.
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

    A `SystemExit`, because that (and Ctrl-C's exception) an event loop lets through wherever it was raised; another
    would end the callback that it happened to hit, and the run would go on.
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
_AGAIN_S: Final = 0.01
"""By then the finaliser that swallowed an exception is over."""
_IMPORT_S: Final = 3.0
"""No import of ours takes so long."""
_IMPORTS: Final = "<frozen importlib._bootstrap>"
"""Where Python's own import lives: its frames have this name."""
_ALARM: Final = getattr(signal, "SIGALRM", None)
"""Absent on Windows: what was lost there is raised at the next safe point, see `check`."""
_arrived: list[type[BaseException]] = []
_lost: list[type[BaseException]] = []
_deadline = [0.0]
"""Until when the newest arrival waits for the end of an import, monotonic seconds."""


def check() -> None:
    """Raise what arrived, where the exception itself was lost on its way."""
    if _arrived:
        _lost.clear()
        raise _arrived[0]


def checked(advance: Callable[[float], None]) -> Callable[[float], None]:
    """The same progress; each report is a safe point at which a signal that arrived is raised."""

    def tell(amount: float) -> None:
        check()
        advance(amount)

    return tell


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
        except Exception:
            check()  # where it was lost, what it broke on its way is no error to speak of
            raise


def _arrive(number: int, frame: FrameType | None) -> None:
    _arrived.append(_KINDS[number])
    # What the run was about to begin is never begun, which is as it should be.
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    _deadline[:] = [time.monotonic() + _IMPORT_S]
    if _ALARM is not None and _importing(frame):
        _later(_KINDS[number])
    else:
        raise _KINDS[number]


def _importing(frame: FrameType | None) -> bool:
    """Whether an import is under way, and not for too long: a program may run all of us from within one."""
    if time.monotonic() >= _deadline[0]:
        return False
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTS:
            return True
        frame = frame.f_back
    return False


def _later(kind: type[BaseException]) -> None:
    _lost[:] = [kind]
    if _ALARM is not None:
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)


@contextlib.contextmanager
def _handled(number: int, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, previous)


@contextlib.contextmanager
def _raised_again() -> Iterator[None]:
    """Raise anew, a moment later, what Python says it had to swallow."""
    if _ALARM is None:
        yield
        return
    loud, theirs = sys.unraisablehook, signal.getsignal(_ALARM)

    def quiet(lost: sys.UnraisableHookArgs) -> None:
        """What could not be raised here is raised elsewhere; Python need not complain of it."""
        if lost.exc_type in _arrived:
            _later(lost.exc_type)
        else:
            loud(lost)

    def again(number: int, frame: FrameType | None) -> None:
        if _lost and _importing(frame):
            _later(_lost[0])
        elif _lost:
            raise _lost.pop()
        if not _arrived and callable(theirs):  # not our alarm
            theirs(number, frame)

    with _handled(_ALARM, again):
        sys.unraisablehook = quiet
        try:
            yield
        finally:
            if _arrived:
                signal.setitimer(signal.ITIMER_REAL, 0)
                _lost.clear()
            sys.unraisablehook = loud
