"""Whatever the moment of a SIGTERM, `close` returns, and what was accepted is in the file."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import os, signal, sys, threading, time
from calib import FillLogger
from calib.errors import SinkFailed
from calib.feeds.writers import lifetime
fill = lambda n: dict(ts=1735689600.0, symbol="B", side="buy", price=1, qty=1, liquidity="maker", trade_id=str(n))
once = threading.Event()
def first():
    if once.is_set():
        return False
    once.set()
    return True
"""
FIRST_FLUSH = """
fills = FillLogger(sys.argv[1], flush_interval_s=0.002, install_signal_handlers=True)
real = fills._files.sync
def sync():
    if first():
        other = threading.Thread(target=lambda: fills.log(fill(2)), daemon=True)  # its line starts the writer
        other.start()
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
    real()
fills._files.sync = sync
fills.log(fill(1))
fills.flush()
time.sleep(30)
"""
CLOSING = """
fills = FillLogger(sys.argv[1], flush_interval_s=3600, install_signal_handlers=True)
real = fills._files.write
def write(lines):
    if first():
        os.kill(os.getpid(), signal.SIGTERM)  # the main thread waits in `close` for these lines
        time.sleep(0.2)
    real(lines)
fills._files.write = write
fills.log(fill(1))
fills.close()
time.sleep(30)
"""
STARTING = """
import _thread
real = _thread.start_new_thread
def start(*arguments):
    if first():
        os.kill(os.getpid(), signal.SIGTERM)
    return real(*arguments)
_thread.start_new_thread = start
fills = FillLogger(sys.argv[1], flush_interval_s=3600, install_signal_handlers=True)
FillLogger(sys.argv[1], install_signal_handlers=True)  # one that was never used is closed too
fills.log(fill(1))
time.sleep(30)
"""
WAITS_FOR_US = """
lifetime.SIGNAL_WAIT_S = 0.5
mine = threading.Lock()
def on_error(error):
    with mine:
        pass
fills = FillLogger(sys.argv[1], flush_interval_s=0.001, install_signal_handlers=True, on_error=on_error)
def refuse(lines):
    raise SinkFailed("no room")
fills.log(fill(1))
fills.flush()
fills._files.write = refuse
with mine:  # what a handler of `logging` does, for one
    fills.log(fill(2))
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)
"""
DIRECT = """
fills = FillLogger(sys.argv[1], background=False, install_signal_handlers=True)
real = os.fsync
def fsync(descriptor):
    if first():
        os.kill(os.getpid(), signal.SIGTERM)
    real(descriptor)
os.fsync = fsync
fills.log(fill(1))
fills.flush()
time.sleep(30)
"""


@pytest.mark.parametrize(
    ("program", "expected"),
    [(FIRST_FLUSH, [1]), (CLOSING, [1]), (STARTING, [1]), (WAITS_FOR_US, [1]), (DIRECT, [1])],
    ids=["first flush", "while closing", "while the writer starts", "on_error waits for the bot", "no background"],
)
def test_close_returns_whatever_the_moment_of_the_signal(tmp_path: Path, program: str, expected: list[int]) -> None:
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BEGIN + program, str(tmp_path)],
        check=False, timeout=25, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.returncode == -signal.SIGTERM, child.stderr
    text = (tmp_path / "fills_20250101.jsonl").read_text()
    found = [int(json.loads(line)["trade_id"]) for line in text.splitlines()]
    assert found[: len(expected)] == expected
