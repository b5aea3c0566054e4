"""``calib replay`` as a process: interrupted in the middle, and watched on a terminal."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.terminal import on_a_terminal
from tests.replay.recording import delta, snapshot, write


def reads(process: subprocess.Popen[bytes], path: Path) -> bool:
    """Whether the process has the file open."""
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if link.readlink() == path:
                return True
    return False


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
    deadline = time.monotonic() + 60
    while not reads(process, feeds / "book_20250101.jsonl"):
        assert process.poll() is None
        assert time.monotonic() < deadline, "it never read the book"
        time.sleep(0.005)
    process.send_signal(number)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert printed == b""
    assert said.splitlines()[-1] == {130: b"error: interrupted", 143: b"error: terminated"}[code]
    assert b"Traceback" not in said
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
