"""Child processes that run a part of a job, and the messages exchanged with them: plain data, never pickles.

Unpickling can call any function; decoding plain values cannot. Children use the module search path of this process
without the current directory, so that a file placed there by another user is not imported.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import msgspec

T = TypeVar("T")
_LENGTH: Final = struct.Struct("<Q")


def start_child(entry: str) -> subprocess.Popen[bytes]:
    """Start a new interpreter that calls ``entry``, with pipes for its stdin and stdout.

    A fork would copy locks that other threads hold, and `multiprocessing` spawn would run the caller's main module
    again.

    Parameters
    ----------
    entry
        ``module:function`` of calib.
    """
    module, _, function = entry.partition(":")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(module_paths(sys.path)), PYTHONSAFEPATH="1")
    return subprocess.Popen(
        [sys.executable, "-P", "-c", f"from {module} import {function}; {function}()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def module_paths(paths: list[str]) -> list[str]:
    """The module search path of a child: that of this process, without the current directory and relative paths.

    The directory that calib itself is imported from is always kept.
    """
    home, here = Path(__file__).resolve().parent.parent, Path.cwd()
    return [str(path) for path in map(Path, paths) if path.is_absolute() and (path == home or not _same(path, here))]


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def end_of(returncode: int) -> str:
    """How a child ended, in words.

    >>> end_of(-9), end_of(1)
    ('was killed by SIGKILL', 'ended with status 1')
    """
    if returncode >= 0:
        return f"ended with status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


def send(stream: BinaryIO | Any, message: object) -> None:
    """Write one message: a msgspec struct, or plain values."""
    data = msgspec.msgpack.encode(message)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO | Any, kind: type[T]) -> T | None:
    """Return the next message, checked against its type; None at the end of the stream or for an invalid message."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    data = stream.read(size)
    if len(data) < size:
        return None
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
