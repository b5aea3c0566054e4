"""Read the lines of a recorded text file, plain or compressed, one at a time and in bounded memory."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import Path
from typing import IO, Final, NamedTuple
from zipfile import BadZipFile

import zstandard

from calib.errors import NotThisFormat, TruncatedInput, UnreadableInput
from calib.feeds.reading.chunks import MAX_LINE
from calib.importers.base import SHOWN, Advance, BadRow, unseen
from calib.importers.opened import content_of

MARK: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
DAMAGED: Final = (EOFError, zlib.error, lzma.LZMAError, BadGzipFile, BadZipFile, zstandard.ZstdError)
"""Exceptions of a compressed file that is cut short or damaged."""
TOO_LONG: Final = BadRow("line_too_long", what=f"longer than {MAX_LINE >> 20} MiB")
"""A line longer than the limit; it is rejected, and reading continues with the next."""


class TextLine(NamedTuple):
    """A line that is not blank."""

    number: int
    """From 1."""
    text: bytes
    """Without surrounding whitespace; only the beginning of a line that is too long."""
    too_long: bool


def text_lines(path: Path, hint: str, advance: Advance = unseen) -> Iterator[TextLine]:
    """Yield each line that is not blank.

    Raises
    ------
    UnreadableInput
        If the file cannot be read; ``hint`` says what to give instead.
    TruncatedInput
        If its compressed data is cut short or damaged; all lines before that point have been yielded.
    NotThisFormat
        If it is UTF-16, or a zip archive that does not hold exactly one file.
    """
    line = 0
    with unpacking(path, hint, lambda: f"{path}:{line + 1}"), content_of(path, hint, advance) as handle:
        for line, raw, too_long in _bounded(handle):  # `where` of an error reads `line`
            if line == 1:
                _refuse_utf16(raw, path)
                raw = raw.removeprefix(MARK)
            if text := raw.strip():
                yield TextLine(line, text, too_long)


@contextmanager
def unpacking(path: Path, hint: str, where: Callable[[], str] | None = None) -> Iterator[None]:
    """Raise errors of reading and decompression as errors of calib.

    Parameters
    ----------
    where
        Returns the place to report for a cut; None: the file.
    """
    try:
        yield
    except DAMAGED as error:
        raise TruncatedInput(
            f"the compression ends too early or is damaged: {error}",
            where=str(path) if where is None else where(),
            hint="Download the file again, or import the rows before the cut with --salvage",
        ) from error
    except OSError as error:
        raise UnreadableInput(f"cannot be read: {error.strerror or error}", where=str(path), hint=hint) from error
    except (RuntimeError, NotImplementedError) as error:  # an encrypted zip, or an unsupported compression method
        raise UnreadableInput(
            f"cannot be decompressed: {error}", where=str(path), hint="Decompress it first"
        ) from error


def _bounded(handle: IO[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    """Yield number, content and whether it is too long for each line; only the beginning of a long line is kept."""
    number = 0
    while raw := handle.readline(MAX_LINE + 1):
        number += 1
        too_long = len(raw) > MAX_LINE and not raw.endswith(b"\n")
        if too_long:
            raw = raw[: 4 * SHOWN]
            while (more := handle.readline(MAX_LINE)) and not more.endswith(b"\n"):
                pass
        yield number, raw, too_long


def _refuse_utf16(first: bytes, path: Path) -> None:
    # UTF-16 without a byte order mark: every second byte of ASCII text is zero.
    if first.startswith(_UTF16) or (len(first) > 3 and 0 in first[:2] and first[0:4].count(0) == 2):
        raise NotThisFormat(
            "is UTF-16 text", where=str(path), hint="Convert it to UTF-8 first: iconv -f UTF-16 -t UTF-8 FILE"
        )
