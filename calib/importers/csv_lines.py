"""The lines of a text file as the csv reader wants them, with the number that each row began at."""

from __future__ import annotations

from collections.abc import Iterator

from calib.importers.base import SHOWN
from calib.importers.lines import TextLine


class CsvLines:
    """An iterator of text for `csv.reader`; call `begin_row` before each of its rows.

    Of a line that is too long the quotes are left out: its row ends there.

    Parameters
    ----------
    lines
        Of one file.
    errors
        What is done with bytes that are not UTF-8, as `bytes.decode` says.

    Attributes
    ----------
    begun
        The number of the line that the present row began at, from 1.
    first
        The beginning of that line.
    too_long
        Whether a line of the present row was too long.
    """

    def __init__(self, lines: Iterator[TextLine], errors: str) -> None:
        self._lines = lines
        self._errors = errors
        self._is_first = True
        self.begun = 1
        self.first = ""
        self.too_long = False

    def begin_row(self) -> None:
        """The next line begins a row."""
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
