"""Write outputs atomically: files under a lock, objects by conditional requests."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from calib.errors import UnwritableOutput
from calib.files import locked, unwritable, write_atomic
from calib.storage.objects import ObjectPath
from calib.storage.source import Place, source_of

_IN_MEMORY: Final = 64 << 20
_BLOCK: Final = 1 << 20
_LARGEST: Final = 5 << 30
"""Largest object that a single request can write, bytes. Multipart uploads cannot be conditional."""


def write_whole(place: Place, content: bytes | Callable[[BinaryIO], None]) -> bool:
    """Write a file or an object atomically; one with the same bytes is not written again.

    Parameters
    ----------
    content
        The bytes, or a function that writes them to an open binary file.

    Returns
    -------
    bool
        True if it changed.

    Raises
    ------
    calib.errors.UnwritableOutput
        If the file system or the store refuses the write.
    calib.errors.OutputChanged
        If another run has written the object in the meantime.
    """
    if isinstance(place, Path):
        return write_atomic(place, content)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as held:
        try:
            if callable(content):
                content(held)  # type: ignore[arg-type]  # a binary file in all that writers ask of it
            else:
                held.write(content)
        except OSError as error:
            raise unwritable(Path(tempfile.gettempdir()), error) from error
        if held.seek(0, 2) > _LARGEST:
            raise UnwritableOutput("is larger than 5 GiB", where=str(place), hint="Give a shorter range")
        return place.bucket.put(place, held)  # type: ignore[arg-type]  # as above


def remove(place: Place) -> None:
    """Remove a file or an object if it exists.

    Raises
    ------
    calib.errors.UnwritableOutput
        If the file system or the store refuses the removal.
    """
    if isinstance(place, ObjectPath):
        place.bucket.delete(place)
        return
    try:
        place.unlink(missing_ok=True)
    except NotADirectoryError:
        return
    except OSError as error:
        raise UnwritableOutput(
            f"cannot be written: {error.strerror or error}",
            where=str(place),
            hint="Check its permissions and the free space",
        ) from error


def is_file(place: Place) -> bool:
    """Whether the file or the object exists."""
    return place.bucket.exists(place) if isinstance(place, ObjectPath) else place.is_file()


@contextlib.contextmanager
def local_copy(place: Place) -> Iterator[Path]:
    """Return a context with the path of the file itself, or of a temporary copy of the object with the same name.

    Raises
    ------
    calib.errors.UnreadableInput
        If the object cannot be read.
    """
    if isinstance(place, Path):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="calib-") as directory:
        path = Path(directory) / place.name
        with path.open("wb") as handle, contextlib.closing(source_of(place).open(place)) as stored:
            while block := stored.read(_BLOCK):
                handle.write(block)
        yield path


@contextlib.contextmanager
def sole_use(root: Place) -> Iterator[None]:
    """Prevent other runs from mixing their outputs with ours while the block runs.

    A directory is locked. Below a URL, the existing objects are recorded, and each write fails if its object has
    changed since.

    Raises
    ------
    calib.errors.LockHeld
        If another process holds the lock.
    """
    if isinstance(root, Path):
        with locked(root):
            yield
        return
    root.bucket.claim((root, root / "datasets", root / "rejects"))
    yield
