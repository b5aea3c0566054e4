"""Read a table or a query of an SQLite database, which is opened read-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from calib.errors import NotThisFormat, UnreadableInput, UsageError
from calib.importers.base import Advance
from calib.importers.table.readers.rows import TableRow, TableRows

SQLITE: Final = b"SQLite format 3\0"
_ALLOWED: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, 33})
"""Actions that a query may use; 33 is SQLITE_RECURSIVE."""


def database(path: Path, table: str, query: str, advance: Advance) -> TableRows:
    """Return the rows of a table, or of a query.

    Raises
    ------
    NotThisFormat
        If the file is damaged, or has no such table.
    UsageError
        If neither is given and the file does not have exactly one table, or the query does more than read.
    UnreadableInput
        If the file cannot be read.
    """
    try:
        with closing(_opened(path)) as connection:
            query = query or _select(path, table, tables_of(connection))
            cursor = connection.execute(query)
            columns = tuple(column[0] for column in cursor.description or ())
    except sqlite3.Error as error:
        raise _refused(path, query, error) from error
    if not columns:
        raise UsageError("the query gives no rows", where=str(path), hint="Give a SELECT")
    return TableRows("sqlite", False, _rows(path, query, columns, advance), columns)


def tables_of(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the tables and views of a connection."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
    return [str(name) for (name,) in rows if not str(name).startswith("sqlite_")]


def table_names(path: Path) -> list[str]:
    """Return the names of the tables and views of a database file; errors as `database`."""
    try:
        with closing(_opened(path)) as connection:
            return tables_of(connection)
    except sqlite3.Error as error:
        raise _refused(path, "", error) from error


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    connection.set_authorizer(_judge)
    return connection


def _judge(action: int, *_names: object) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _select(path: Path, table: str, tables: list[str]) -> str:
    if not table and len(tables) != 1:
        raise UsageError("has several tables" if tables else "has no table", where=str(path), hint=_named(tables))
    name = table or tables[0]
    if name not in tables:
        raise NotThisFormat(f"has no table {name!r}", where=str(path), hint=_named(tables))
    doubled = name.replace('"', '""')
    return f'SELECT * FROM "{doubled}"'


def _named(tables: list[str]) -> str:
    return f"Say --table or --query; its tables: {', '.join(tables[:20]) or 'none'}"


def _rows(path: Path, query: str, columns: tuple[str, ...], advance: Advance) -> Iterator[TableRow]:
    try:
        with closing(_opened(path)) as connection:
            for number, cells in enumerate(connection.execute(query), 1):
                yield TableRow(number, dict(zip(columns, cells, strict=True)), str(cells)[:500])
    except sqlite3.Error as error:
        raise _refused(path, query, error) from error
    advance(path.stat().st_size)


def _refused(path: Path, query: str, error: sqlite3.Error) -> UnreadableInput | UsageError | NotThisFormat:
    what = str(error)
    if "not authorized" in what or "syntax error" in what or "no such" in what or "one statement" in what:
        return UsageError(f"the query is refused: {what}", where=str(path), hint="Give one SELECT of its tables")
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return NotThisFormat(f"cannot be read as sqlite: {what}", where=str(path), hint="Copy the database again")
    return UnreadableInput(
        f"cannot be read: {what}", where=str(path), hint="Copy it, with its -wal file, to where you may write"
    )
