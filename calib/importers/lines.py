"""The lines of a recorded text file, plain or gzip, with an error that names the line where it breaks off."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from gzip import BadGzipFile
from pathlib import Path

from calib.errors import TruncatedInput, UnreadableInput
from calib.importers.base import Advance, unseen
from calib.importers.opened import unpacked


def text_lines(path: Path, hint: str, advance: Advance = unseen) -> Iterator[tuple[int, bytes]]:
    """Each line that is not blank, stripped, with its number from 1; one at a time.

    Raises
    ------
    UnreadableInput
        Where the file cannot be read; ``hint`` says what to give instead.
    TruncatedInput
        Where its compression ends too early or is damaged.
    """
    line = 0
    try:
        with unpacked(path, advance) as handle:
            for line, raw in enumerate(handle, 1):  # the line of an error below
                if text := raw.strip():
                    yield line, text
    except (EOFError, zlib.error, BadGzipFile) as error:
        raise TruncatedInput(
            f"the compression ends too early or is damaged: {error}",
            where=f"{path}:{line + 1}",
            hint="Fetch the file again",
        ) from error
    except OSError as error:
        raise UnreadableInput(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error
