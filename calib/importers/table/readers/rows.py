"""The rows that the readers of tables return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from calib.importers.base import BadRow


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table.

    Parameters
    ----------
    line
        Number from 1: that of its first line in a csv or jsonl text, else that of the row.
    values
        Column -> value; empty if the row cannot be read.
    text
        Text of the row, for its reject.
    bad
        Reason why the row cannot be read; None if it can.
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
        Whether every value is a string.
    columns
        Names of the columns; empty if the format does not define them before its rows.
    """

    form: str
    texts: bool
    rows: Iterator[TableRow]
    columns: tuple[str, ...] = ()
