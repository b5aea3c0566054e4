"""Convert rows into records by a mapping."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from calib.feeds.schema.table import FEEDS, Field, Type
from calib.importers.base import BadRow
from calib.importers.table.arithmetic import as_number
from calib.importers.table.conversions import key_of
from calib.importers.table.mapping import TableColumn, TableMapping
from calib.importers.table.paths import value_at
from calib.importers.table.times import unix_seconds

_BOOLEANS: Final = {"true": True, "false": False}
_IDS: Final = frozenset({"trade_id", "order_id", "quote_id"})


class Converter:
    """Converts each row into a record.

    Parameters
    ----------
    texts
        Whether all values are texts, as in a csv file: number fields then accept the text of a number. Otherwise a text
        becomes a number only if the mapping says so.

    Attributes
    ----------
    fees_left_out
        Number of rows with a fee in an asset without a rate.
    contracts
        Symbols whose quantities are contracts; their fees are left out.
    """

    def __init__(self, mapping: TableMapping, *, texts: bool) -> None:
        self._mapping, self._texts = mapping, texts
        fields = FEEDS[mapping.kind].fields
        self._fields = [(field, mapping.columns.get(field.name)) for field in fields]
        self._contracts = re.compile(mapping.contracts) if mapping.contracts else None
        self.fees_left_out = 0
        self.contracts: set[str] = set()

    def record(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the record of a row, without the fields that have no value.

        Raises
        ------
        BadRow
            If a required field has no value, or a value is not valid for its field.
        """
        self._check_only(row)
        record: dict[str, Any] = {}
        for field, column in self._fields:
            value = self._value(field, column, row) if column is not None else self._mapping.constants.get(field.name)
            if value is not None:
                record[field.name] = value
            elif field.required:
                raise BadRow("missing_field", field.name, what=f"{column.text if column else 'it'} has no value")
        if self._mapping.fee is not None:
            self._add_fee(record, row)
        return record

    def _check_only(self, row: Mapping[str, Any]) -> None:
        for name, values in self._mapping.only.items():
            if (found := key_of(value_at(row, name))) not in values:
                raise BadRow("other_rows", name, damaged=False, what=f"{name} is {found[:40]}")

    def _add_fee(self, record: dict[str, Any], row: Mapping[str, Any]) -> None:
        fee = self._mapping.fee
        assert fee is not None
        price, qty = record.get("price"), record.get("qty")
        if not price or not qty or price < 0 or qty < 0:
            return  # the feed's schema rejects the record
        if self._contracts is not None and self._contracts.search(record["symbol"]):
            self.contracts.add(record["symbol"])
            return
        bps = fee.bps(row, record["symbol"], price, qty)
        if bps is not None:
            record["fee_bps"] = bps
        elif value_at(row, fee.amount) is not None:
            self.fees_left_out += 1

    def _value(self, field: Field, column: TableColumn, row: Mapping[str, Any]) -> Any:
        if column.arithmetic is not None:
            value: Any = column.arithmetic(row)
        else:
            value = value_at(row, str(column.source))
        if value is None:
            return None
        if field.type is Type.LEVELS:
            return _levels(value, field.name, self._texts or column.convert is not None)
        if field.type is Type.STAGES:
            return orjson.loads(value) if self._texts else value
        if column.convert is not None:
            value = column.convert(value, field.name)
            return self._typed(field, value, texts=True)
        return self._typed(field, value, texts=self._texts)

    def _typed(self, field: Field, value: Any, *, texts: bool) -> Any:
        """Return the value as one of its field's type."""
        match field.type:
            case Type.NUMBER if field.is_time and not isinstance(value, int | float | str):
                return unix_seconds(value, "s", field.name)
            case Type.NUMBER:
                if isinstance(value, str) and not texts:
                    raise BadRow(
                        "bad_type",
                        field.name,
                        what=f"{value[:40]!r} is a text; say :number (or a time's unit) in the map",
                    )
                return as_number(value, field.name)
            case Type.INTEGER:
                return _whole(value, field.name, texts)
            case Type.BOOLEAN:
                if isinstance(value, str) and texts:
                    value = _BOOLEANS.get(value.strip().lower(), value)
                if not isinstance(value, bool):
                    raise BadRow("bad_type", field.name, what=f"{str(value)[:40]!r} is not true or false")
                return value
            case Type.STRING:
                if field.name in _IDS and isinstance(value, int) and not isinstance(value, bool):
                    return str(value)
                if not isinstance(value, str):
                    raise BadRow(
                        "bad_type", field.name, what=f"{str(value)[:40]!r} is not a text; say :text in the map"
                    )
                return value.strip()
            case _:
                return value


def _levels(value: Any, name: str, texts: bool) -> Any:
    """Return levels as pairs of numbers, from the JSON of a csv cell or from texts if the mapping says so."""
    if isinstance(value, str) and texts:
        value = orjson.loads(value)
    if not texts:
        return value
    return [[as_number(number, name) for number in level[:2]] for level in value]


def _whole(value: Any, name: str, texts: bool) -> int:
    if isinstance(value, str) and texts:
        digits = value.strip().removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) <= 19:
            return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BadRow("bad_type", name, what=f"{str(value)[:40]!r} is not a whole number")
