"""A table of any layout as a feed: the format ``table`` of the registry, and every preset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

from calib.errors import CalibError, NotThisFormat, UsageError
from calib.feeds.schema.table import FEEDS
from calib.importers.base import ROW_FAULTS, Advance, BadRow, Imported, ImportOption, Rejected, fault_of, unseen
from calib.importers.table.chosen import beginning, preset
from calib.importers.table.mapping import TableMapping, with_words
from calib.importers.table.paths import has_column, value_at
from calib.importers.table.readers.opening import opened_rows
from calib.importers.table.readers.rows import TableRow, TableRows
from calib.importers.table.records import Converter

_WORDS: Final = (
    ImportOption("--map", "A field's source; repeat.", "FIELD=SOURCE[:CONVERSION]", repeated=True),
    ImportOption("--set", "A field's constant value; repeat.", "FIELD=VALUE", repeated=True),
    ImportOption("--rate", "Price of a fee's asset in the quote asset; repeat.", "ASSET=PRICE", repeated=True),
    ImportOption("--delimiter", "Of a text [comma, semicolon or tab, by its lines].", "CHAR"),
    ImportOption("--path", "Where the rows of a json document stand, such as result.list.", "NAME"),
    ImportOption("--table", "The table of a database.", "NAME"),
    ImportOption("--query", "Or a query of it.", "SQL"),
)
_BEGIN: Final = (
    ImportOption("--kind", "The feed.", choices=tuple(FEEDS)),
    ImportOption("--map-file", "A mapping in YAML.", "FILE"),
    ImportOption("--preset", "Begin with a mapping of calib import presets.", "NAME"),
)

_LOOKED_AT: Final = 1 << 18
"""Bytes of a file by which its form is known."""


class Table:
    """Rows of a table, each by a mapping.

    Parameters
    ----------
    kind, map_file, preset, map, set, rate
        The mapping: see `calib.importers.table.chosen.beginning` and `calib.importers.table.mapping.with_words`.
    delimiter, path, table, query
        Where the rows stand; None: as the mapping says, or as the file shows.

    Raises
    ------
    UsageError
        Where the mapping cannot be read, or says nothing of a field that the feed needs.
    """

    name: ClassVar[str] = "table"
    summary: ClassVar[str] = "Turn a table of any layout into a feed, by a mapping of its columns."
    files: ClassVar[str] = "csv, tsv, jsonl, json, parquet, arrow or sqlite, plain or as .gz, .zst or .zip."
    example: ClassVar[str] = "fills.csv --kind fills --map ts=time:ms --map 'side=side:{BUY:buy,SELL:sell}'"
    options: ClassVar[tuple[ImportOption, ...]] = (*_BEGIN, *_WORDS)
    hints: ClassVar[Mapping[str, str]] = {
        "not_in_mapping": "a value has no meaning in the mapping, add it with --map 'FIELD=SOURCE:{VALUE:MEANING}'",
        "other_rows": "they are not of this feed, such as funding payments",
        "missing_field": "a field that the feed needs has no value, map another column or give a constant with --set",
    }

    def __init__(
        self,
        kind: str | None = None,
        map_file: str | None = None,
        preset: str | None = None,
        map: Sequence[str] | None = None,  # noqa: A002  # the word of the flag
        set: Sequence[str] | None = None,  # noqa: A002
        rate: Sequence[str] | None = None,
        delimiter: str | None = None,
        path: str | None = None,
        table: str | None = None,
        query: str | None = None,
    ) -> None:
        if delimiter is not None and delimiter != "tab" and len(delimiter) != 1:
            raise UsageError(f"{delimiter!r} is not a delimiter", hint="Give one character, or the word tab")
        mapping = with_words(beginning(kind, map_file, preset), map or (), set or (), rate or ())
        if table or query:
            mapping = replace(mapping, table=table or "", query=query or "")
        self.mapping = replace(
            mapping, delimiter=delimiter or mapping.delimiter, path=mapping.path if path is None else path
        )
        if missing := self.mapping.missing:
            raise UsageError(
                f"the mapping says nothing of {', '.join(missing)}, which {self.mapping.kind} needs",
                hint="Add --map FIELD=SOURCE or --set FIELD=VALUE; `calib import guess FILE` proposes a mapping",
            )
        self._left_out = 0
        self._contracts: dict[str, None] = {}

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        """The rows of one file."""
        with opened_rows(path, self.mapping, advance) as rows:
            converter = Converter(self.mapping, texts=rows.texts)
            before = self._left_out
            for row in _checked(rows, self.mapping, path):
                yield _item(row, converter, self.mapping)
                self._left_out = before + converter.fees_left_out
            self._contracts |= dict.fromkeys(converter.contracts)

    def remarks(self) -> Iterator[str]:
        """What the user has to know of the files that were read."""
        if self._contracts:
            some = sorted(self._contracts)
            named = ", ".join(some[:5]) + (f" and {len(some) - 5} more" if len(some) > 5 else "")
            yield (
                f"quantities of {named} are numbers of contracts, not base units, and their fees are left out: state "
                "the contract under `contracts` in calib.yaml"
            )
        if self._left_out:
            yield (
                f"{self._left_out} fees in another asset left out: they have no fee_bps; give its price in the quote "
                "asset with --rate ASSET=PRICE"
            )


def _item(row: TableRow, converter: Converter, mapping: TableMapping) -> Imported | Rejected:
    try:
        if row.bad is not None:
            raise row.bad
        return Imported(mapping.kind, converter.record(row.values), row.line, market=_market(row, mapping))
    except BadRow as bad:
        return bad.rejected(row.line, row.text)
    except ROW_FAULTS as error:
        return fault_of(error).rejected(row.line, row.text)


def _market(row: TableRow, mapping: TableMapping) -> str:
    named = value_at(row.values, mapping.market_from) if mapping.market_from else None
    return named if isinstance(named, str) else mapping.market


def _checked(rows: TableRows, mapping: TableMapping, path: Path) -> Iterator[TableRow]:
    """The rows, where the file has the columns that the mapping reads.

    A column of a fixed set of columns must be there. Of JSON the first whole row must have those of a preset's form.
    """
    if rows.columns:
        _refuse(mapping, path, dict.fromkeys(rows.columns), _read_columns(mapping) if not mapping.name else ())
    first = True
    for row in rows.rows:
        if first and row.bad is None:
            first = False
            _refuse(mapping, path, row.values, ())
        yield row


def _read_columns(mapping: TableMapping) -> list[str]:
    names = [name for column in mapping.columns.values() for name in column.columns]
    return [*names, *((mapping.fee.amount, mapping.fee.asset) if mapping.fee else ())]


def _refuse(mapping: TableMapping, path: Path, values: Mapping[str, Any], read: Sequence[str]) -> None:
    """Refuse a file without the columns that the form or the mapping needs."""
    wanted = [name for name in (*mapping.requires, *read) if not has_column(values, name)]
    missing = [name for name in wanted if name in mapping.requires or not has_column(values, name.partition(".")[0])]
    if not missing:
        return
    has = ", ".join(list(values)[:20])
    said = f"is not a file of {mapping.name}: it" if mapping.name else "does not fit the mapping: it"
    what = f"{said} lacks {', '.join(dict.fromkeys(missing))}"
    raise NotThisFormat(what, where=f"{path}:1", hint=f"It has {has}")


class _LookedAtEnough(Exception):
    """So much was read of a file without a row."""


def fits(path: Path, mapping: TableMapping) -> bool:
    """Whether a file is of a preset's form: its first row has the columns that the form requires.

    Where no row is found in the first 256 KiB, it is not.
    """
    looked_at = 0

    def look(size: float) -> None:
        nonlocal looked_at
        looked_at += int(size)
        if looked_at > _LOOKED_AT:
            raise _LookedAtEnough

    try:
        with opened_rows(path, mapping, look) as rows:
            row = next((row for row in rows.rows if row.bad is None), None)
    except (CalibError, _LookedAtEnough):
        return False
    values = row.values if row is not None else dict.fromkeys(rows.columns)
    return all(has_column(values, name) for name in mapping.requires)


def preset_class(name: str) -> type[Table]:
    """The format of one preset: `Table` with it chosen.

    Raises
    ------
    UsageError
        Where there is none of that name.
    """
    mapping = preset(name)

    def begin(self: Table, **words: Any) -> None:
        Table.__init__(self, preset=name, **words)

    attributes = {
        "__init__": begin,
        "__doc__": mapping.summary,
        "name": name,
        "summary": mapping.summary,
        "files": mapping.files,
        "example": f"{_example(mapping)} --out artifacts/edge/feeds",
        "options": _WORDS,
    }
    return type(f"Preset{name.title().replace('-', '')}", (Table,), attributes)


def _example(mapping: TableMapping) -> str:
    return "bot.sqlite" if mapping.table or mapping.query else "fills.json"
