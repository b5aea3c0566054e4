"""What every reader of a table gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from calib.importers.base import BadRow


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row.

    Parameters
    ----------
    line
        Where it begins, from 1: a line of a text, else the number of the row.
    values
        TableColumn -> value; empty of a row that cannot be read.
    text
        For its reject.
    bad
        Why it cannot be read.
    """

    line: int
    values: Mapping[str, Any]
    text: str | bytes
    bad: BadRow | None = None


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of one file.

    Parameters
    ----------
    form
        ``csv``, ``jsonl``, ``json``, ``parquet``, ``arrow`` or ``sqlite``.
    texts
        Whether every value is a text.
    columns
        The columns, where the form states them before its rows.
    """

    form: str
    texts: bool
    rows: Iterator[TableRow]
    columns: tuple[str, ...] = ()
