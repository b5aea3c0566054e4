"""Outputs written whole or not at all: files under a lock, objects on condition of what was there."""

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
"""Bytes of an object that a single request can write; one in several could not be conditional."""


def write_whole(place: Place, content: bytes | Callable[[BinaryIO], None]) -> bool:
    """Write a file or an object that is either the old one or the new one, never a part; equal bytes are left alone.

    Parameters
    ----------
    content
        The bytes, or a function that writes them to an open binary file.

    Returns
    -------
    bool
        True where it changed.

    Raises
    ------
    calib.errors.UnwritableOutput
        Where the system or the store refuses.
    calib.errors.OutputChanged
        Where another run wrote the object meanwhile.
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
    """Remove a file or an object that may not be there.

    Raises
    ------
    calib.errors.UnwritableOutput
        Where the system or the store refuses.
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
    """Whether a file or an object is there."""
    return place.bucket.exists(place) if isinstance(place, ObjectPath) else place.is_file()


@contextlib.contextmanager
def local_copy(place: Place) -> Iterator[Path]:
    """The file itself, or a temporary copy of the object under its own name.

    Raises
    ------
    calib.errors.UnreadableInput
        Where the object cannot be read.
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
    """Keep another run from mixing its outputs with ours while the block runs.

    Below a directory that is a lock. Below a URL it is what lies there now: each write is refused where its object is
    not as it was at the beginning.

    Raises
    ------
    calib.errors.LockHeld
        Where another process has the lock.
    """
    if isinstance(root, Path):
        with locked(root):
            yield
        return
    root.bucket.claim((root, root / "datasets", root / "rejects"))
    yield
