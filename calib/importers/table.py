"""What importers of comma-separated tables share: a packed or plain file made lines, and cells made numbers."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import IO, Final
from zipfile import BadZipFile, ZipFile

from calib.errors import NotThisFormat, TruncatedInput, UnreadableInput
from calib.importers.base import Advance, Rejected, unseen
from calib.importers.opened import opened, unpacked

SHOWN: Final = 500
"""Characters of a rejected row that are kept."""


class BadCell(Exception):
    """A row that gives no record, for the sake of one cell."""

    def __init__(self, reason: str, field: str, *, damaged: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.field, self.damaged = reason, field, damaged

    def rejected(self, line: int, text: str) -> Rejected:
        return Rejected(line, self.reason, self.field, text[:SHOWN], self.damaged)


def numbered_lines(path: Path, hint: str, advance: Advance = unseen) -> Iterator[tuple[int, str]]:
    """The lines of a plain, gzip or zip file, counted from 1, without their ends; blank ones are left out.

    Raises
    ------
    UnreadableInput
        Where the file cannot be opened.
    TruncatedInput
        Where its compression ends too early or is damaged.
    NotThisFormat
        Where a zip holds more or less than one file.
    """
    line = 0
    try:
        with _opened(path, hint, advance) as handle:
            for line, raw in enumerate(handle, 1):  # the line of an error below
                text = raw.decode("utf-8-sig" if line == 1 else "utf-8", "replace").strip()
                if text:
                    yield line, text
    except (EOFError, zlib.error, BadGzipFile, BadZipFile) as error:
        raise TruncatedInput(
            f"the compression ends too early or is damaged: {error}",
            where=f"{path}:{line + 1}",
            hint="Fetch the file again",
        ) from error
    except OSError as error:
        raise UnreadableInput(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    except (RuntimeError, NotImplementedError) as error:  # a zip with a password, or packed in a way of its own
        raise UnreadableInput(f"cannot be unpacked: {error}", where=str(path), hint="Unpack it first") from error


@contextmanager
def _opened(path: Path, hint: str, advance: Advance) -> Iterator[IO[bytes] | GzipFile]:
    """By what the file is, not by what it is called."""
    with path.open("rb") as handle:
        is_zip = handle.read(2) == b"PK"
    if is_zip:
        with opened(path, advance) as handle, ZipFile(handle) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) != 1:
                raise NotThisFormat(f"holds {len(members)} files, not one", where=str(path), hint=hint)
            with archive.open(members[0]) as packed_member:
                yield packed_member
    else:
        with unpacked(path, advance) as content:
            yield content


def number(text: str, field: str) -> float:
    """A finite number >= 0; without the underscores that Python would take."""
    try:
        value = float("" if "_" in text else text)
    except ValueError:
        raise BadCell("bad_type", field) from None
    if not math.isfinite(value) or value < 0:
        raise BadCell("bad_value", field)
    return value


def whole_number(text: str, field: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise BadCell("bad_type", field)
    return int(text)


def price_above_0(text: str, field: str) -> float:
    value = number(text, field)
    if value == 0:
        raise BadCell("bad_value", field)
    return value
