"""Imported days into a feed directory: whole or not at all, and no one else's lines lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from calib.errors import UnwritableOutput
from calib.files import locked, write_atomic
from calib.importers.base import Advance, unseen
from calib.importers.collect import Import
from calib.importers.days import ImportedDay

_TOLD_EVERY = 4096


def store(found: Import, directory: Path, *, replace: bool = False) -> list[tuple[Path, bool]]:
    """`write_days` under the directory's lock.

    Raises
    ------
    LockHeld
        Where another run writes into the directory.
    """
    with locked(directory):
        return write_days(found.days, directory, replace=replace)


def write_days(
    days: Mapping[str, ImportedDay], directory: Path, *, replace: bool = False, progress: Advance = unseen
) -> list[tuple[Path, bool]]:
    """Write the day files, a line at a time; each path with whether it changed. The caller holds the lock.

    A day file that stands there already is replaced only where all of its lines are among the new ones (an import of
    the same files, or of more), or with ``replace``. Every file is judged before the first is written.

    Parameters
    ----------
    days
        File name -> lines.
    progress
        Receives the lines written since the last call.

    Raises
    ------
    UnwritableOutput
        Where a day holds other lines, lies there compressed, or cannot be written.
    """
    for name, lines in days.items():
        _judge(directory / name, lines, replace)
    return [(directory / name, _write(directory / name, lines, progress)) for name, lines in days.items()]


def _write(path: Path, lines: ImportedDay, progress: Advance) -> bool:
    return write_atomic(path, lambda handle: handle.writelines(_told(lines, progress)))


def _told(lines: Iterable[bytes], progress: Advance) -> Iterator[bytes]:
    count = 0
    for line in lines:
        yield line
        count += 1
        if count == _TOLD_EVERY:
            progress(count)
            count = 0
    progress(count)


def _judge(path: Path, lines: ImportedDay, replace: bool) -> None:
    for suffix in (".gz", ".zst"):
        packed = path.with_name(path.name + suffix)
        if packed.exists():
            hint = "Unpack or move it, or import into another directory"
            raise UnwritableOutput("this day lies there compressed", where=str(packed), hint=hint)
    if replace or not path.exists():
        return
    try:
        foreign = _holds_others(path, lines)
    except OSError as error:
        hint = "Check the path and its permissions"
        raise UnwritableOutput(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    if foreign:
        raise UnwritableOutput(
            "holds lines that this import does not make",
            where=str(path),
            hint="Import all files of that day together, into another directory, or say --replace to lose those lines",
        )


def _holds_others(path: Path, lines: ImportedDay) -> bool:
    """Whether a line of the file is none of ours.

    Where its lines stand in our order, as an import leaves them, they are compared as they are read; else both sides
    are put in one order first.
    """
    with path.open("rb") as handle:
        if _stand_among(handle, lines):
            return False
        handle.seek(0)
        theirs, ours = lines.scratch.sorted(), lines.scratch.sorted()
        try:
            for line in handle:
                theirs.add(line)
            for line in lines:
                ours.add(line)
            return not _stand_among((line for line, _ in groupby(theirs)), ours)
        finally:
            theirs.clear()
            ours.clear()


def _stand_among(some: Iterable[bytes], every: Iterable[bytes]) -> bool:
    """Whether each of some is one of every, in the same order."""
    rest = iter(every)
    return all(line in rest for line in some)  # `in` goes on where it found the line before
