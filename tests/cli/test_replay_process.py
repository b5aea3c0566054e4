"""``calib replay`` as a process: interrupted in the middle, and watched on a terminal."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import interrupt, wait_until_open
from tests.cli.terminal import on_a_terminal
from tests.replay.recording import delta, snapshot, write


@pytest.mark.parametrize("fill", ["stream", "callback"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_replay_leaves_no_half_file(tmp_path: Path, number: int, code: int, fill: str) -> None:
    """Five minutes, read every millisecond: it surely is in the middle while it has the book open."""
    book = [snapshot(0.0, 1, [(1000, 1)], [(2000, 1)])]
    book += [delta(n / 2, 1 + n, bids=[(1000, n)]) for n in range(1, 600)]
    feeds, out = write(tmp_path / "feeds", book=book), tmp_path / "out"
    argv = [sys.executable, "-m", "calib", "replay", "--feeds", str(feeds), "--out", str(out), "--fill", fill]
    argv += ["--read-every", "1ms", "--latency", "constant:8", "--features-out", str(out / "features.parquet")]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until_open(process, lambda path: path == str(feeds / "book_20250101.jsonl"))
    interrupt(process, number, code)
    assert [path.name for path in out.rglob("*") if path.is_file()] == [".calib.lock"]


def test_a_terminal_is_shown_how_much_was_replayed_and_a_pipe_nothing(tmp_path: Path) -> None:
    book = [snapshot(0.0, 1, [(1000, 1)], [(2000, 1)]), *(delta(n / 2, 1 + n, bids=[(1000, n)]) for n in range(1, 9))]
    feeds, out = write(tmp_path / "feeds", book=book), tmp_path / "out"
    argv = [
        sys.executable,
        "-m",
        "calib",
        "replay",
        "--feeds",
        str(feeds),
        "--out",
        str(out),
        "--latency",
        "constant:8",
    ]
    shown = on_a_terminal(argv)
    assert "replaying" in shown
    assert "100%" in shown
    piped = subprocess.run(argv, capture_output=True, check=True).stderr
    assert b"replaying" not in piped
