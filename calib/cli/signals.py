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

    def handle(number: int, _frame: FrameType | None) -> None:
        _arrived.append(_KINDS[number])
        # What the run was about to begin is never begun, which is as it should be.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        raise _KINDS[number]

    def again(number: int, frame: FrameType | None) -> None:
        if _lost:
            raise _lost.pop()
        if not _arrived and callable(theirs := previous[signal.SIGALRM]):  # not our alarm
            theirs(number, frame)

    previous: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
    try:
        for number in _KINDS:
            previous[number] = signal.signal(number, handle)
    except ValueError:  # not the main thread: the embedding program owns the signals
        yield
        return
    previous[signal.SIGALRM] = signal.signal(signal.SIGALRM, again)
    loud = sys.unraisablehook

    def quiet(lost: sys.UnraisableHookArgs) -> None:
        """What could not be raised here is raised elsewhere; Python need not complain of it."""
        if lost.exc_type in _arrived:
            _lost[:] = [lost.exc_type]
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        else:
            loud(lost)

    sys.unraisablehook = quiet
    try:
        yield
    except Exception:
        check()  # where it was lost, what it broke on its way is no error to speak of
        raise
    finally:
        if _arrived:
            signal.setitimer(signal.ITIMER_REAL, 0)
            _lost.clear()
        sys.unraisablehook = loud
        for number, handler in previous.items():
            signal.signal(number, handler)
        _arrived.clear()
