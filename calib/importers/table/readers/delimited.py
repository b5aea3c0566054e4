"""Read comma-, semicolon- and tab-separated texts with a header."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from calib.errors import NotThisFormat
from calib.importers.base import BadRow
from calib.importers.csv_lines import CsvLines
from calib.importers.lines import TOO_LONG, TextLine
from calib.importers.table.readers.rows import TableRow, TableRows

DELIMITERS: Final = (",", ";", "\t")
_SNIFFED: Final = 20
"""Number of lines from which the delimiter is detected."""
_HINT: Final = "Give a table whose first line names its columns"


def delimited(path: Path, lines: Iterator[TextLine], delimiter: str = "") -> TableRows:
    """Return the rows of a text with a header.

    Parameters
    ----------
    delimiter
        One character; empty to detect comma, semicolon or tab from the first lines.

    Raises
    ------
    NotThisFormat
        If the first line is not a header.
    """
    begin = list(itertools.islice(lines, _SNIFFED))
    chosen = delimiter or sniffed([line.text.decode("utf-8", "replace") for line in begin])
    source = CsvLines(itertools.chain(begin, lines), "replace")
    rows = csv.reader(source, delimiter=chosen, strict=True)
    header = tuple(_header(rows, path))
    return TableRows("csv", True, _rows(rows, header, source, chosen), header)


def sniffed(lines: list[str]) -> str:
    """Return the delimiter that splits the header, and the largest number of lines into the same number of cells.

    >>> sniffed(["a;b;c", "1,5;2;3"]), sniffed(["a,b", "1,2"])
    (';', ',')
    """

    def fit(delimiter: str) -> tuple[int, int]:
        widths = [len(next(csv.reader([line], delimiter=delimiter), [])) for line in lines]
        return (sum(width == widths[0] for width in widths), widths[0]) if widths and widths[0] > 1 else (0, 0)

    try:
        return max(DELIMITERS, key=fit)
    except csv.Error:
        return DELIMITERS[0]


def _header(rows: Any, path: Path) -> list[str]:
    try:
        names = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise NotThisFormat(f"does not begin with a header: {error}", where=f"{path}:1", hint=_HINT) from None
    if not names or not all(names):
        raise NotThisFormat("does not begin with a header: a name is empty", where=f"{path}:1", hint=_HINT)
    if all(_is_number(name) for name in names):
        raise NotThisFormat("has no header: its first line holds numbers", where=f"{path}:1", hint=_HINT)
    if double := next((name for name in names if names.count(name) > 1), None):
        raise NotThisFormat(f"has two columns {double!r}", where=f"{path}:1", hint="Give each column its own name")
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rows(rows: Any, header: tuple[str, ...], lines: CsvLines, delimiter: str) -> Iterator[TableRow]:
    while True:
        lines.begin_row()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield TableRow(lines.begun, {}, lines.first, BadRow("bad_csv", what=str(error)))
            continue
        if not cells:
            continue
        text = delimiter.join(cells[: len(header)])[:500]
        if lines.too_long:
            yield TableRow(lines.begun, {}, text, TOO_LONG)
        elif len(cells) != len(header):
            what = f"{len(cells)} cells under {len(header)} columns"
            yield TableRow(lines.begun, {}, text, BadRow("bad_csv", what=what))
        else:
            yield TableRow(lines.begun, dict(zip(header, cells, strict=True)), text)
