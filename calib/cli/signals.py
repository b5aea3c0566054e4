"""SIGTERM and Ctrl-C as exceptions in the main thread, so that every ``finally`` runs; and none gets lost.

An exception raised by a signal handler is swallowed where it happens to hit a finaliser, a weak reference's callback or
native code that ignores errors. So the arrival is remembered too, and a long job asks for it at its own safe points.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType


class Terminated(SystemExit):
    """SIGTERM arrived.

    A `SystemExit`, because that (and Ctrl-C's exception) an event loop lets through wherever it was raised; another
    would end the callback that it happened to hit, and the run would go on.
    """

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


_KINDS: dict[int, type[BaseException]] = {signal.SIGTERM: Terminated, signal.SIGINT: KeyboardInterrupt}
_arrived: list[type[BaseException]] = []


def check() -> None:
    """Raise what arrived, where the exception itself was lost on its way."""
    if _arrived:
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

    def handle(number: int, _frame: FrameType | None) -> None:
        _arrived.append(_KINDS[number])
        raise _KINDS[number]

    try:
        previous = {number: signal.signal(number, handle) for number in _KINDS}
    except ValueError:  # not the main thread: the embedding program owns the signals
        yield
        return
    loud = sys.unraisablehook

    def quiet(lost: sys.UnraisableHookArgs) -> None:
        """What is remembered needs no complaint from Python that it could not be raised."""
        if lost.exc_type not in _arrived:
            loud(lost)

    sys.unraisablehook = quiet
    try:
        yield
    except Exception:
        check()  # where it was lost, what it broke on its way is no error to speak of
        raise
    finally:
        sys.unraisablehook = loud
        for number, handler in previous.items():
            signal.signal(number, handler)
        _arrived.clear()
