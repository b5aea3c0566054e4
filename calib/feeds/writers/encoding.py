"""Validation of live records against the feed's schema, and their encoding as lines.

The checks are compiled once per feed from the table in `calib.feeds.schema.table` into a strict msgspec type. They cost
the calling thread about a microsecond; only a rejected record takes the slow path to an error message.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
import orjson
from msgspec import UNSET, Meta, UnsetType, ValidationError

from calib.clock import Clock
from calib.errors import BadRecord
from calib.feeds.schema.table import EARLIEST_TS, LATEST_TS, Feed, Field, Presence, Type
from calib.feeds.schema.validation import has_control, implausible_time, judge_record

DAY_S: Final = 86_400
_DAY_US: Final = DAY_S * 1_000_000
_LARGEST: Final = sys.float_info.max
_INT64: Final = 2**63
_MAX_SYMBOLS: Final = 10_000
_MAX_SHAPES: Final = 256


Line = tuple[int, bytes]
"""One encoded record: its UTC day (days since the epoch) and its bytes with the newline."""


class Encoder:
    """Encodes records of one feed as lines.

    Keys are in the order of the field table. Missing fields that our writers always write are null. `ts` is rounded to
    microseconds, and `ts_iso` is derived from it.

    Parameters
    ----------
    feed
        The table of the feed's fields.
    clock
        Provides the `ts` of a record that has none.
    compact
        Whether null and derivable values (`ts_iso`) are left out of the line.
    """

    __slots__ = ("_clock", "_compact", "_feed", "_second", "_shapes", "_stamped", "_symbols", "_type")

    def __init__(self, feed: Feed, clock: Clock, *, compact: bool = False) -> None:
        self._feed = feed
        self._compact = compact
        self._clock = clock
        self._type: Any = record_type(feed)
        self._stamped = not compact and any(field.name == "ts_iso" for field in feed.fields)
        self._symbols: set[str] = set()
        self._shapes: dict[tuple[str, ...], dict[str, None]] = {}
        self._second = (-1, "")

    def encode(self, record: Mapping[str, Any]) -> Line:
        """Return the line of ``record``.

        Raises
        ------
        BadRecord
            If it violates the schema; ``where`` contains the feed and the field.
        """
        try:
            row = msgspec.convert(record, self._type)
        except (ValidationError, TypeError, UnicodeError):
            record, row = self._convert_plain(record)
        if row.symbol not in self._symbols:
            self._check_symbol(row.symbol, record)
        shape = tuple(record)
        line: dict[str, Any] = (self._shapes.get(shape) or self._shape(shape)).copy()
        line.update(record)
        # Whole microseconds: the quotient is the double nearest to the printed decimal.
        micros = int((self._now() if row.ts is None else row.ts) * 1e6 + 0.5)
        line["ts"] = micros / 1e6
        if self._stamped:
            line["ts_iso"] = self._iso(micros)
        if self._compact:
            line = {name: value for name, value in line.items() if value is not None}
        try:
            return micros // _DAY_US, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:
            return micros // _DAY_US, self._dump_wide(line, record)

    def _now(self) -> float:
        """Return the clock's time.

        Raises
        ------
        BadRecord
            If it cannot be the current time: a device without a clock starts at 1970.
        """
        now = self._clock.time()
        if EARLIEST_TS <= now <= LATEST_TS:
            return now
        raise _bad_record(self._feed, "ts", f"the clock is wrong: {implausible_time(now)}", hint="Set the system clock")

    def _dump_wide(self, line: dict[str, Any], record: Mapping[str, Any]) -> bytes:
        """Encode a line with whole numbers of more than 64 bits, which are valid in fields of doubles."""
        try:
            return orjson.dumps(_narrowed(line), option=orjson.OPT_APPEND_NEWLINE)
        except TypeError as error:  # the only remaining cause: text that is not valid Unicode
            raise _explained(self._feed, record, error) from error

    def _shape(self, names: tuple[str, ...]) -> dict[str, None]:
        """Return the keys of a line in the order of the table, all null, for a record with these fields."""
        if len(self._shapes) >= _MAX_SHAPES:
            self._shapes.clear()
        shape = self._shapes[names] = {
            field.name: None
            for field in self._feed.fields
            if field.presence is not Presence.OPTIONAL or field.name in names
        }
        return shape

    def _iso(self, micros: int) -> str:
        second, micro = divmod(micros, 1_000_000)
        known, prefix = self._second  # one tuple, so that other threads see consistent values
        if known != second:
            prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = (second, prefix)
        return f"{prefix}.{micro:06d}Z"

    def _check_symbol(self, symbol: str, record: Mapping[str, Any]) -> None:
        if has_control(symbol):
            raise _explained(self._feed, record, ValueError("control characters"))
        if len(self._symbols) >= _MAX_SYMBOLS:
            self._symbols.clear()
        self._symbols.add(symbol)

    def _convert_plain(self, record: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """Convert subclasses of float, int and str (numpy's float64, string enums); reject everything else."""
        if not isinstance(record, Mapping):
            raise not_a_mapping(self._feed, record)
        plain = _plain(dict(record))
        try:
            return plain, msgspec.convert(plain, self._type)
        except (ValidationError, UnicodeError) as error:  # a lone surrogate also breaks the error message
            raise _explained(self._feed, plain, error) from error


def record_type(feed: Feed) -> type[msgspec.Struct]:
    """Return the strict type of the feed's records; a missing `ts` is set from the clock."""
    fields: list[Any] = []
    for field in feed.fields:
        kind = _kind(field)
        if field.name == "ts":
            fields.append((field.name, kind | None, None))
        elif field.presence is Presence.REQUIRED:
            fields.append((field.name, kind))
        elif field.presence is Presence.WRITTEN:
            fields.append((field.name, kind | None, None))
        else:
            fields.append((field.name, kind | None | UnsetType, UNSET))
    return msgspec.defstruct(f"{feed.kind}_record", fields, kw_only=True, forbid_unknown_fields=True, gc=False)


def _kind(field: Field) -> Any:
    """Return the msgspec type of one field. Bounds by the largest double also reject NaN and infinities."""
    match field.type:
        case Type.NUMBER:
            return Annotated[float, _bounds(field, _LARGEST)]
        case Type.INTEGER:
            low = -_INT64 if field.ge is None else int(field.ge)
            high = _INT64 - 1 if field.le is None else int(field.le)
            return Annotated[int, Meta(ge=low, le=high)]
        case Type.BOOLEAN:
            return bool
        case Type.STAGES:
            return dict[str, Annotated[float, Meta(ge=0, le=_LARGEST)] | None]
        case Type.LEVELS:
            price, qty = Annotated[float, Meta(gt=0, le=_LARGEST)], Annotated[float, Meta(ge=0, le=_LARGEST)]
            return list[tuple[price, qty]]  # type: ignore[valid-type]  # built at run time
        case Type.STRING:
            if field.choices:
                return Literal[field.choices]
            return Annotated[str, Meta(min_length=1, max_length=64)] if field.symbol else str


def _bounds(field: Field, largest: float) -> Meta:
    high = largest if field.le is None else field.le
    if field.gt is not None:
        return Meta(gt=field.gt, le=high)
    return Meta(ge=-largest if field.ge is None else field.ge, le=high)


def _plain(value: Any) -> Any:
    """Return the value with exact built-in types instead of their subclasses."""
    match value:
        case bool() | None:
            return value
        case int():
            return int(value)
        case float():
            return float(value)
        case str():
            return str.__str__(value)
        case Mapping():
            return {_plain(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _narrowed(value: Any) -> Any:
    """Return the value with whole numbers of more than 64 bits as doubles, as which the type accepts them."""
    match value:
        case int():
            return value if -_INT64 <= value < 2 * _INT64 else float(value)
        case dict():
            return {name: _narrowed(item) for name, item in value.items()}
        case list() | tuple():
            return [_narrowed(item) for item in value]
        case _:
            return value


def _explained(feed: Feed, record: Mapping[Any, Any], error: Exception) -> BadRecord:
    """Return the error with the text that a reader would use for such a line."""
    names = [field.name for field in feed.fields]
    for name in record:
        if name not in names:
            return _bad_record(
                feed, str(name), f"is not a field of {feed.kind}", hint=f"The fields are {', '.join(names)}"
            )
    stamped = record if record.get("ts") is not None else {**record, "ts": EARLIEST_TS}
    fault = judge_record(feed, stamped)
    return _bad_record(feed, "", str(error)) if fault is None else _bad_record(feed, fault.field, fault.what)


def not_a_mapping(feed: Feed, record: object) -> BadRecord:
    """Return the error for a record that is not a mapping."""
    return _bad_record(feed, "", f"a record must be a mapping of fields, not {type(record).__name__}")


def _bad_record(feed: Feed, field: str, what: str, hint: str = "") -> BadRecord:
    place = f"{feed.kind}, {field}" if field else feed.kind
    return BadRecord(what, where=place, hint=hint or "The record was not written")
