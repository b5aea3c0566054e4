"""A command as a process of its own: what it has open, and how it ends when it is interrupted."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_SAID = {130: b"error: interrupted", 143: b"error: terminated"}


def has_open(process: subprocess.Popen[bytes], wanted: Callable[[str], bool]) -> bool:
    """Whether it has a file open whose path, as the system tells it, is wanted."""
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if wanted(str(link.readlink())):
                return True
    return False


def wait_until_open(process: subprocess.Popen[bytes], wanted: Callable[[str], bool]) -> None:
    """Until `has_open`, which it must reach while it runs."""
    deadline = time.monotonic() + 60
    while not has_open(process, wanted):
        assert process.poll() is None
        assert time.monotonic() < deadline, "it never opened the file"
        time.sleep(0.005)


def interrupt(process: subprocess.Popen[bytes], number: int, code: int) -> None:
    """Send it the signal: it ends with that code and a word on stderr, and with nothing else."""
    process.send_signal(number)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert printed == b""
    assert said.splitlines()[-1] == _SAID[code], said
    assert b"Traceback" not in said
