"""The lines of a recorded text file, plain or packed: one at a time, none longer than memory may hold."""

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
"""What a compressed file raises that was cut short or changed."""
TOO_LONG: Final = BadRow("line_too_long", what=f"longer than {MAX_LINE >> 20} MiB")
"""A line past the limit: a reject, and the next line is read."""


class TextLine(NamedTuple):
    """A line that is not blank."""

    number: int
    """From 1."""
    text: bytes
    """Without blanks at either end; of a line that is too long only the beginning."""
    too_long: bool


def text_lines(path: Path, hint: str, advance: Advance = unseen) -> Iterator[TextLine]:
    """Each line that is not blank, one at a time.

    Raises
    ------
    UnreadableInput
        Where the file cannot be read; ``hint`` says what to give instead.
    TruncatedInput
        Where its compression ends too early or is damaged; the lines before were given.
    NotThisFormat
        Where it is UTF-16, or a zip that holds more or less than one file.
    """
    line = 0
    with unpacking(path, hint, lambda: f"{path}:{line + 1}"), content_of(path, hint, advance) as handle:
        for line, raw, too_long in _bounded(handle):  # the line of an error
            if line == 1:
                _refuse_utf16(raw, path)
                raw = raw.removeprefix(MARK)
            if text := raw.strip():
                yield TextLine(line, text, too_long)


@contextmanager
def unpacking(path: Path, hint: str, where: Callable[[], str] | None = None) -> Iterator[None]:
    """What goes wrong while a file is read and unpacked, as errors of calib.

    Parameters
    ----------
    where
        Which place a cut is said to be at; None: the file.
    """
    try:
        yield
    except DAMAGED as error:
        raise TruncatedInput(
            f"the compression ends too early or is damaged: {error}",
            where=str(path) if where is None else where(),
            hint="Fetch the file again, or import what came before with --salvage",
        ) from error
    except OSError as error:
        raise UnreadableInput(f"cannot be read: {error.strerror or error}", where=str(path), hint=hint) from error
    except (RuntimeError, NotImplementedError) as error:  # a zip with a password, or packed in a way of its own
        raise UnreadableInput(f"cannot be unpacked: {error}", where=str(path), hint="Unpack it first") from error


def _bounded(handle: IO[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    """Number, content and whether it is too long, of each line; of a long one no more than its beginning is held."""
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
    # Without a mark: every second byte of ASCII text is zero.
    if first.startswith(_UTF16) or (len(first) > 3 and 0 in first[:2] and first[0:4].count(0) == 2):
        raise NotThisFormat(
            "is UTF-16 text", where=str(path), hint="Convert it to UTF-8 first: iconv -f UTF-16 -t UTF-8 FILE"
        )
