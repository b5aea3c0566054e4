"""A signal's exception that got lost where it was raised still ends the run."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from polars.exceptions import PanicException

from calib.cli import signals
from calib.virtual_loop import run


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


def test_a_panic_of_polars_that_it_caused_is_not_spoken_of() -> None:
    def work() -> None:
        with signals.raising():
            with contextlib.suppress(signals.Terminated):
                os.kill(os.getpid(), signal.SIGTERM)
            raise PanicException("failed to access an array")

    with pytest.raises(signals.Terminated):
        work()
    with pytest.raises(PanicException), signals.raising():
        raise PanicException("nothing arrived")


_LOOK_UP = """
import sys
import numpy as np, polars as pl
{first}
def refused(*_): raise SystemExit("looked up now")
np.lib.NumpyVersion.__init__ = refused
pl.Series(np.zeros(1, np.int64))
"""


@pytest.mark.parametrize(("first", "code"), [("", 1), ("import calib.feeds.reading.columns", 0)])
def test_polars_looks_up_numpy_while_modules_are_imported(first: str, code: int) -> None:
    """Where signals wait; later, their exception would become a panic."""
    ended = subprocess.run([sys.executable, "-c", _LOOK_UP.format(first=first)], capture_output=True, check=False)
    assert ended.returncode == code


def test_one_that_is_lost_in_a_finaliser_is_not_complained_of(capsys: pytest.CaptureFixture[str]) -> None:
    class Dying:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    def work() -> None:
        with signals.raising():
            dying = Dying()
            del dying  # the handler runs in the finaliser, from which nothing can be raised
            signals.check()

    with pytest.raises(signals.Terminated):
        work()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, signals.Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_one_that_is_lost_in_a_finaliser_is_raised_again(number: int, kind: type[BaseException]) -> None:
    class Dying:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)

    def work() -> None:
        with signals.raising():
            for _ in range(3):  # lost three times over
                dying = Dying()
                del dying
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                pass

    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(kind):
        work()
    assert signal.getsignal(signal.SIGALRM) == before


def test_what_was_lost_and_then_asked_for_does_not_strike_the_cleaning_up() -> None:
    class Dying:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    cleaned: list[bool] = []

    def work() -> None:
        with signals.raising():
            try:
                dying = Dying()
                del dying
                signals.check()
            finally:
                until = time.monotonic() + 0.1
                while time.monotonic() < until:
                    pass
                cleaned.append(True)

    with pytest.raises(signals.Terminated):
        work()
    assert cleaned


def test_sigterm_in_a_callback_of_an_event_loop_ends_the_run() -> None:
    went_on: list[bool] = []

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.sleep(2)
        went_on.append(True)

    with pytest.raises(signals.Terminated), signals.raising():
        run(main())
    assert not went_on


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, signals.Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_an_import_is_ended_before_it_is_raised(
    number: int, kind: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polars' native part panics where it is struck while it is imported."""
    name = f"struck_by_{int(number)}"
    text = f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(0.05)\nwhole = True\n"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    seen = []

    def work() -> None:
        with signals.raising():
            seen.append(importlib.import_module(name).whole)
            time.sleep(5)

    with pytest.raises(kind):
        work()
    assert seen == [True]


def test_an_import_without_end_is_interrupted_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_IMPORT_S", 0.05)
    (tmp_path / "for_ever.py").write_text("import os, time\nos.kill(os.getpid(), 15)\ntime.sleep(30)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(signals.Terminated), signals.raising():
        importlib.import_module("for_ever")


_EXEC = """
import os, signal, sys
from calib.cli import signals
try:
    with signals.raising():
        exec("os.kill(os.getpid(), signal.SIGINT)")  # as dataclasses and named tuples do while they are made
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_in_code_made_from_text_ends_with_the_exit_code(tmp_path: Path) -> None:
    """``python -m`` ends by the signal itself where CPython once saw its own KeyboardInterrupt leave such code."""
    (tmp_path / "struck.py").write_text(_EXEC)
    ended = subprocess.run([sys.executable, "-m", "struck"], cwd=tmp_path, check=False)
    assert ended.returncode == 130
