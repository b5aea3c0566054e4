"""A terminal for a command to write to."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess


def on_a_terminal(argv: list[str]) -> str:
    """What a command writes to the terminal that its stderr is."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end was closed
            while block := os.read(ours, 65_536):
                shown += block
        assert process.wait() == 0
    os.close(ours)
    return shown.decode()
