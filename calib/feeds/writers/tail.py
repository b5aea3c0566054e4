"""What a killed writer leaves at the end of a feed file, and how that is mended."""

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
    """What was done to one file that was not as its writer had left it.

    Parameters
    ----------
    file
        The feed file.
    tail_bytes
        Length of the unfinished line.
    saved_as
        Where the cut bytes lie; None where the line was whole and only got its newline.
    moved
        Whether the file was renamed, replaced or removed while it was open; further lines go to a file of its name.
    """

    file: Path
    tail_bytes: int
    saved_as: Path | None
    moved: bool = False

    def __str__(self) -> str:
        if self.moved:
            return f"{self.file}: was renamed, replaced or removed while it was open; a new file of that name goes on"
        if self.saved_as is None:
            return f"{self.file}: the last line was whole and got its newline"
        tail = f"an unfinished last line of {counted(self.tail_bytes, 'byte')}"
        return f"{self.file}: {tail} was cut and saved as {self.saved_as}"


def repair(descriptor: int, path: Path) -> Repair | None:
    """End the file with a whole line; the caller holds the file's lock.

    A tail that is a JSON object gets its newline. Any other is saved beside the file, synced, and only then cut: a
    crash in between leaves it in both places, never in none.

    Parameters
    ----------
    descriptor
        The file, open for reading and appending.
    path
        Its name, for the name of the saved tail.

    Returns
    -------
    Repair or None
        None where there was nothing to mend.
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
    """Offset just past the last newline within the first ``size`` bytes; 0 where there is none."""
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
