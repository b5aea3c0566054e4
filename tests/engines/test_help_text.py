"""What the help says of the engine is what is chosen."""

from __future__ import annotations

import pytest

from calib.engines.choice import EngineChoice
from calib.feeds.reading.native import library
from calib.feeds.settings import ENGINE

LARGE = 1 << 30


def test_auto_is_threads_with_the_kernel_and_processes_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    named = ENGINE["engine"]
    assert "auto is threads for large files with the kernel, processes without it" in named.meaning
    if library() is not None:
        with EngineChoice(jobs=2).decoder(LARGE) as decoder:
            assert "Thread" in type(decoder).__name__
    monkeypatch.setattr("calib.engines.choice.library", lambda: None)
    with EngineChoice(jobs=2).decoder(LARGE) as decoder:
        assert type(decoder).__name__ == "Workers"
