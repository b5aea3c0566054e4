"""Read the rows of one array of a .npz file in chunks, in bounded memory."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from zipfile import BadZipFile, ZipFile

from calib.errors import NotThisFormat, TruncatedInput, UnreadableInput
from calib.importers.base import unseen
from calib.importers.opened import opened

if TYPE_CHECKING:
    import numpy as np

ROWS: Final = 16_384
"""Most rows of a chunk: 1 MB of the widest layout."""
_SKIP: Final = 1 << 20
_CHUNK_BYTES: Final = 8 << 20
"""Most bytes of a chunk, for wider rows."""
_WIDEST: Final = 1 << 16
"""Most bytes of a row; no recording has wider rows."""


@dataclass(frozen=True, slots=True)
class Header:
    """Shape, layout and type of an array."""

    shape: tuple[int, ...]
    by_column: bool
    """Stored column by column (Fortran order)."""
    dtype: np.dtype[Any]
    offset: int
    """Offset of the first row in the member, bytes."""


class NpzArray:
    """One array of a .npz file, open for reading.

    Parameters
    ----------
    path
        The file, as ``numpy.savez`` or ``numpy.savez_compressed`` writes it.
    key
        Name of the array.
    hint
        What to give instead, for error messages.
    """

    def __init__(self, path: Path, key: str, hint: str) -> None:
        self._path, self._member, self._hint = path, f"{key}.npy", hint
        self._stack = ExitStack()

    def __enter__(self) -> NpzArray:
        try:
            handle = self._stack.enter_context(opened(self._path, unseen))
            self._archive = self._stack.enter_context(ZipFile(handle))
        except OSError as error:
            self.__exit__()
            raise UnreadableInput(
                f"cannot be read: {error.strerror}", where=str(self._path), hint=self._hint
            ) from error
        except BadZipFile as error:
            self.__exit__()
            if self._begins_as_zip():
                raise self._truncated("the archive's table of contents is missing") from error
            raise self.not_this_format("is not a .npz file") from error
        if self._member not in self._archive.namelist():
            held = ", ".join(sorted(name.removesuffix(".npy") for name in self._archive.namelist())[:5]) or "nothing"
            self.__exit__()
            raise self.not_this_format(f"has no array {self._member.removesuffix('.npy')!r}; its arrays: {held}")
        self.header = self._header()
        self.size = self._path.stat().st_size
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def not_this_format(self, what: str) -> NotThisFormat:
        return NotThisFormat(what, where=str(self._path), hint=self._hint)

    def chunks(self) -> Iterator[np.ndarray[Any, Any]]:
        """Yield the rows in order, at most `ROWS` at a time.

        An array that is stored column by column is read through one handle per column.

        Raises
        ------
        TruncatedInput
            If the file ends before its last row, or is damaged.
        """
        import numpy as np

        header = self.header
        rows = header.shape[0]
        width = header.shape[1] if len(header.shape) == 2 else 1
        streams = width if header.by_column else 1
        size = header.dtype.itemsize * (1 if header.by_column else width)
        with ExitStack() as stack:
            handles = [self._at(stack, header.offset + column * rows * size) for column in range(streams)]
            at_once = max(1, min(ROWS, _CHUNK_BYTES // (header.dtype.itemsize * width)))
            for first in range(0, rows, at_once):
                count = min(at_once, rows - first)
                parts = [np.frombuffer(self._bytes(handle, count * size, first), header.dtype) for handle in handles]
                if header.by_column:
                    yield np.stack(parts, axis=1)
                else:
                    yield parts[0].reshape((count, *header.shape[1:]))
            if handles and self._read(handles[-1], 1, rows):  # zipfile verifies the checksum at the end
                raise self._truncated("it holds more rows than it says", rows)

    def _begins_as_zip(self) -> bool:
        with self._path.open("rb") as handle:
            return handle.read(4) == b"PK\x03\x04"

    def _header(self) -> Header:
        from numpy.lib import format as npy

        try:
            with self._archive.open(self._member) as handle:
                version = npy.read_magic(handle)
                read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, by_column, dtype = read(handle)
                fault = _unreadable(shape, dtype)
                if fault:
                    raise ValueError(fault)
                return Header(shape, by_column and len(shape) == 2, dtype, handle.tell())
        except (EOFError, zlib.error, lzma.LZMAError, BadZipFile, OSError) as error:
            self.__exit__()
            raise self._truncated(str(error)) from error
        except (ValueError, TypeError, LookupError, NotImplementedError, RuntimeError, RecursionError) as error:
            # Not an array, an unknown compression method, encrypted, or a damaged header.
            self.__exit__()
            raise self.not_this_format(f"holds an array that cannot be read: {error}") from error

    def _at(self, stack: ExitStack, offset: int) -> IO[bytes]:
        """Open the member at an offset, by reading up to it: seeking would disable the check of the checksum."""
        handle = stack.enter_context(self._archive.open(self._member))
        while offset > 0:
            offset -= len(self._bytes(handle, min(offset, _SKIP), 0))
        return handle

    def _bytes(self, handle: IO[bytes], size: int, row: int) -> bytes:
        data = self._read(handle, size, row)
        if len(data) < size:
            raise self._truncated("it holds fewer rows than it says", row)
        return data

    def _read(self, handle: IO[bytes], size: int, row: int) -> bytes:
        try:
            return handle.read(size)
        except (EOFError, zlib.error, lzma.LZMAError, BadZipFile, OSError) as error:
            raise self._truncated(str(error), row) from error

    def _truncated(self, why: str, row: int | None = None) -> TruncatedInput:
        where = f"{self._path}" if row is None else f"{self._path}:{row + 1}"
        return TruncatedInput(f"ends too early or is damaged: {why}", where=where, hint="Download the file again")


def _unreadable(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """Return why rows of that type cannot be read; empty if they can."""
    if dtype.hasobject:
        return "its rows hold Python objects, which are never unpickled"
    if not 0 < dtype.itemsize <= _WIDEST or any(not 0 <= size < 2**48 for size in shape):
        return f"its values are {dtype.itemsize} bytes wide, its shape is {shape}"
    return ""
