"""SIGTERM and Ctrl-C as exceptions in the main thread, so that every ``finally`` runs; and none gets lost.

An exception raised by a signal handler is swallowed where it happens to hit a finaliser, a weak reference's callback or
native code that ignores errors. So the arrival is remembered too: what Python says it had to swallow is raised again a
moment later, and a long job asks for the rest at its own safe points.
"""

from __future__ import annotations

import contextlib
import signal
import sys
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


_KINDS: dict[int, type[BaseException]] = {signal.SIGTERM: Terminated, signal.SIGINT: KeyboardInterrupt}
_AGAIN_S: Final = 0.01
"""By then the finaliser that swallowed an exception is over."""
_arrived: list[type[BaseException]] = []
_lost: list[type[BaseException]] = []


def check() -> None:
    """Raise what arrived, where the exception itself was lost on its way."""
    if _arrived:
        _lost.clear()
        raise _arrived[0]


def checked(advance: Callable[[float], None]) -> Callable[[float], None]:
    """The same progress, told of at a safe point: what arrived is raised there."""

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


def _arrive(number: int, _frame: FrameType | None) -> None:
    _arrived.append(_KINDS[number])
    # What the run was about to begin is never begun, which is as it should be.
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    raise _KINDS[number]


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
    loud, theirs = sys.unraisablehook, signal.getsignal(signal.SIGALRM)

    def quiet(lost: sys.UnraisableHookArgs) -> None:
        """What could not be raised here is raised elsewhere; Python need not complain of it."""
        if lost.exc_type in _arrived:
            _lost[:] = [lost.exc_type]
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        else:
            loud(lost)

    def again(number: int, frame: FrameType | None) -> None:
        if _lost:
            raise _lost.pop()
        if not _arrived and callable(theirs):  # not our alarm
            theirs(number, frame)

    with _handled(signal.SIGALRM, again):
        sys.unraisablehook = quiet
        try:
            yield
        finally:
            if _arrived:
                signal.setitimer(signal.ITIMER_REAL, 0)
                _lost.clear()
            sys.unraisablehook = loud
