"""Repair of the unfinished line that a killed writer leaves at the end of a feed file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from calib import system
from calib.words import counted

_BLOCK: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair of a file that was changed or left unfinished.

    Parameters
    ----------
    file
        The feed file.
    tail_bytes
        Length of the unfinished line.
    saved_as
        File with the removed bytes; None if the line was whole and only its newline was added.
    moved
        Whether the file was renamed, replaced or removed while it was open; further lines go to a new file of its name.
    """

    file: Path
    tail_bytes: int
    saved_as: Path | None
    moved: bool = False

    def __str__(self) -> str:
        if self.moved:
            return f"{self.file}: was renamed, replaced or removed while open; logging continues in a new file"
        if self.saved_as is None:
            return f"{self.file}: added the missing newline of the last line"
        tail = f"an unfinished last line of {counted(self.tail_bytes, 'byte')}"
        return f"{self.file}: {tail} was removed and saved as {self.saved_as}"


def repair(descriptor: int, path: Path) -> Repair | None:
    """Repair the file so that it ends with a whole line; the caller holds the lock of the file.

    A tail that is a JSON object gets its newline. Any other tail is saved next to the file, synced, and only then
    removed: after a crash in between it is in both files, never lost.

    Parameters
    ----------
    descriptor
        The file, open for reading and appending.
    path
        Its path, for the name of the saved tail.

    Returns
    -------
    Repair or None
        None if there was nothing to repair.
    """
    size = os.fstat(descriptor).st_size
    begin = whole_lines_end(descriptor, size)
    if begin == size:
        return None
    tail = system.read_at(descriptor, size - begin, begin)
    if _is_record(tail):
        os.write(descriptor, b"\n")
        return Repair(path, len(tail), None)
    saved = _save(path, tail)
    os.ftruncate(descriptor, begin)
    return Repair(path, len(tail), saved)


def whole_lines_end(descriptor: int, size: int) -> int:
    """Return the offset after the last newline within the first ``size`` bytes; 0 without a newline."""
    end = size
    while end > 0:
        begin = max(0, end - _BLOCK)
        found = system.read_at(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _is_record(tail: bytes) -> bool:
    try:
        return isinstance(orjson.loads(tail), dict)
    except orjson.JSONDecodeError:
        return False


def _save(path: Path, tail: bytes) -> Path:
    number = 1
    while True:
        target = path.with_name(f"{path.name}.tail-{number}")
        try:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.OPEN_FLAGS, 0o644)
        except FileExistsError:
            number += 1
            continue
        try:
            os.write(descriptor, tail)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return target
