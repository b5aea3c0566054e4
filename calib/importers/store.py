"""Write imported days into a feed directory without losing lines that are already there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from calib.errors import UnwritableOutput
from calib.files import locked, write_atomic
from calib.importers.base import Advance, unseen
from calib.importers.collect import Import
from calib.importers.days import ImportedDay

_PROGRESS_LINES = 4096


def store(found: Import, directory: Path, *, replace: bool = False) -> list[tuple[Path, bool]]:
    """Call `write_days` under the directory's lock.

    Raises
    ------
    LockHeld
        If another run is writing into the directory.
    """
    with locked(directory):
        return write_days(found.days, directory, replace=replace)


def write_days(
    days: Mapping[str, ImportedDay], directory: Path, *, replace: bool = False, progress: Advance = unseen
) -> list[tuple[Path, bool]]:
    """Write the day files line by line; return each path and whether it changed. The caller holds the lock.

    An existing day file is replaced only if all of its lines are among the new ones (an import of the same files, or
    of more), or with ``replace``. Every file is checked before the first is written.

    Parameters
    ----------
    days
        File name -> lines.
    progress
        Receives the number of lines written since the last call.

    Raises
    ------
    UnwritableOutput
        If a day file holds other lines, exists compressed, or cannot be written.
    """
    for name, lines in days.items():
        _check_replaceable(directory / name, lines, replace)
    return [(directory / name, _write(directory / name, lines, progress)) for name, lines in days.items()]


def _write(path: Path, lines: ImportedDay, progress: Advance) -> bool:
    return write_atomic(path, lambda handle: handle.writelines(_with_progress(lines, progress)))


def _with_progress(lines: Iterable[bytes], progress: Advance) -> Iterator[bytes]:
    count = 0
    for line in lines:
        yield line
        count += 1
        if count == _PROGRESS_LINES:
            progress(count)
            count = 0
    progress(count)


def _check_replaceable(path: Path, lines: ImportedDay, replace: bool) -> None:
    for suffix in (".gz", ".zst"):
        compressed = path.with_name(path.name + suffix)
        if compressed.exists():
            hint = "Decompress or move it, or import into another directory"
            raise UnwritableOutput("this day already exists compressed", where=str(compressed), hint=hint)
    if replace or not path.exists():
        return
    try:
        has_other_lines = _has_other_lines(path, lines)
    except OSError as error:
        hint = "Check the path and its permissions"
        raise UnwritableOutput(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    if has_other_lines:
        raise UnwritableOutput(
            "holds lines that this import does not produce",
            where=str(path),
            hint="Import all files of that day together, use another directory, or discard those lines with --replace",
        )


def _has_other_lines(path: Path, lines: ImportedDay) -> bool:
    """Return whether the file has a line that is not among ``lines``.

    An import writes lines in the order of ``lines``, so the file is first compared in that order. If that fails, both
    are sorted and compared again.
    """
    with path.open("rb") as handle:
        if _is_subsequence(handle, lines):
            return False
        handle.seek(0)
        theirs, ours = lines.scratch.sorted(), lines.scratch.sorted()
        try:
            for line in handle:
                theirs.add(line)
            for line in lines:
                ours.add(line)
            return not _is_subsequence((line for line, _ in groupby(theirs)), ours)
        finally:
            theirs.clear()
            ours.clear()


def _is_subsequence(some: Iterable[bytes], every: Iterable[bytes]) -> bool:
    """Return whether each line of ``some`` is in ``every``, in the same order."""
    rest = iter(every)
    return all(line in rest for line in some)  # `in` consumes the iterator up to the match
