"""A signal's exception that got lost where it was raised still ends the run."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from calib.cli import signals


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, signals.Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_what_was_swallowed_is_raised_at_the_next_safe_point(number: int, kind: type[BaseException]) -> None:
    told: list[float] = []
    with signals.raising():
        advance = signals.checked(told.append)
        advance(1.0)
        with contextlib.suppress(kind):
            os.kill(os.getpid(), number)
        with pytest.raises(kind):
            advance(2.0)
    assert told == [1.0]
    signals.check()  # and is forgotten with the block


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, signals.Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_what_it_broke_on_its_way_is_not_spoken_of(number: int, kind: type[BaseException]) -> None:
    def work() -> None:
        with signals.raising():
            with contextlib.suppress(kind):
                os.kill(os.getpid(), number)
            raise RuntimeError("half a result")

    with pytest.raises(kind):
        work()
    with pytest.raises(RuntimeError), signals.raising():
        raise RuntimeError("nothing arrived")


def test_an_event_loop_lets_sigterm_through() -> None:
    assert issubclass(signals.Terminated, SystemExit)
    assert signals.Terminated().code == 143
