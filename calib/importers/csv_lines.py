"""Pass the lines of a text file to `csv.reader`, and keep the number of the line where each row begins."""

from __future__ import annotations

from collections.abc import Iterator

from calib.importers.base import SHOWN
from calib.importers.lines import TextLine


class CsvLines:
    """An iterator of text for `csv.reader`; call `begin_row` before each row.

    Quotes are removed from a line that is too long, so that its row ends with that line.

    Parameters
    ----------
    lines
        The lines of one file.
    errors
        How bytes that are not UTF-8 are handled, as in `bytes.decode`.

    Attributes
    ----------
    begun
        Number of the line where the current row begins, from 1.
    first
        The beginning of that line.
    too_long
        Whether a line of the current row was too long.
    """

    def __init__(self, lines: Iterator[TextLine], errors: str) -> None:
        self._lines = lines
        self._errors = errors
        self._is_first = True
        self.begun = 1
        self.first = ""
        self.too_long = False

    def begin_row(self) -> None:
        """Mark the next line as the first of a row."""
        self._is_first, self.too_long = True, False

    def __iter__(self) -> CsvLines:
        return self

    def __next__(self) -> str:
        number, text, too_long = next(self._lines)
        shown = text.decode("utf-8", self._errors)
        if self._is_first:
            self._is_first, self.begun, self.first = False, number, shown[:SHOWN]
        self.too_long |= too_long
        return shown.replace('"', "") if too_long else shown
