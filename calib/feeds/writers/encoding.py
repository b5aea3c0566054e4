"""A live record checked against the feed's schema, and made the one line that stands for it.

The checks are compiled once per feed from the table in `calib.feeds.schema.table` into a strict msgspec type, so that
the calling thread pays about a microsecond for them; only a refused record takes the slow way to a sentence.
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
_SYMBOLS_KEPT: Final = 10_000
_SHAPES_KEPT: Final = 256


Line = tuple[int, bytes]
"""One encoded record: its UTC day (days since the epoch) and its bytes, newline included."""


class Encoder:
    """Turns records of one feed into lines.

    Keys stand in the order of the field table; fields that our writers always write are null where they are missing;
    `ts` is rounded to microseconds and `ts_iso` derived from it.

    Parameters
    ----------
    feed
        The table of the feed's fields.
    clock
        Stamps a record that has no `ts`.
    compact
        Whether what is null or derivable (`ts_iso`) is left out of the line.
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
        """The line of ``record``.

        Raises
        ------
        BadRecord
            Where the schema refuses it; ``where`` names the feed and the field.
        """
        try:
            row = msgspec.convert(record, self._type)
        except (ValidationError, TypeError, UnicodeError):
            record, row = self._second_look(record)
        if row.symbol not in self._symbols:
            self._learn(row.symbol, record)
        shape = tuple(record)
        line: dict[str, Any] = (self._shapes.get(shape) or self._shape(shape)).copy()
        line.update(record)
        # Whole microseconds: the quotient is the double nearest to the decimal that will be printed.
        micros = int((self._now() if row.ts is None else row.ts) * 1e6 + 0.5)
        line["ts"] = micros / 1e6
        if self._stamped:
            line["ts_iso"] = self._iso(micros)
        if self._compact:
            line = {name: value for name, value in line.items() if value is not None}
        try:
            return micros // _DAY_US, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:
            return micros // _DAY_US, self._dumped_wide(line, record)

    def _now(self) -> float:
        """The clock's time.

        Raises
        ------
        BadRecord
            Where it cannot be the time of now: a device without a clock starts at 1970.
        """
        now = self._clock.time()
        if EARLIEST_TS <= now <= LATEST_TS:
            return now
        raise _refused(self._feed, "ts", f"the clock says {implausible_time(now)}", hint="Set the system's clock")

    def _dumped_wide(self, line: dict[str, Any], record: Mapping[str, Any]) -> bytes:
        """A line with whole numbers of more than 64 bits: where numbers are doubles they are taken."""
        try:
            return orjson.dumps(_narrowed(line), option=orjson.OPT_APPEND_NEWLINE)
        except TypeError as error:  # all that is left to go wrong: text that is no Unicode
            raise _explained(self._feed, record, error) from error

    def _shape(self, names: tuple[str, ...]) -> dict[str, None]:
        """The keys of a line in the table's order, all null, for a record with these fields."""
        if len(self._shapes) >= _SHAPES_KEPT:
            self._shapes.clear()
        shape = self._shapes[names] = {
            field.name: None
            for field in self._feed.fields
            if field.presence is not Presence.OPTIONAL or field.name in names
        }
        return shape

    def _iso(self, micros: int) -> str:
        second, micro = divmod(micros, 1_000_000)
        known, prefix = self._second  # one tuple, so that another thread never sees half of it
        if known != second:
            prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = (second, prefix)
        return f"{prefix}.{micro:06d}Z"

    def _learn(self, symbol: str, record: Mapping[str, Any]) -> None:
        if has_control(symbol):
            raise _explained(self._feed, record, ValueError("control characters"))
        if len(self._symbols) >= _SYMBOLS_KEPT:
            self._symbols.clear()
        self._symbols.add(symbol)

    def _second_look(self, record: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
        """Take subclasses of float, int, str (numpy's float64, string enums) for what they are; refuse the rest."""
        if not isinstance(record, Mapping):
            raise no_mapping(self._feed, record)
        plain = _plain(dict(record))
        try:
            return plain, msgspec.convert(plain, self._type)
        except (ValidationError, UnicodeError) as error:  # a lone surrogate breaks even the complaint
            raise _explained(self._feed, plain, error) from error


def record_type(feed: Feed) -> type[msgspec.Struct]:
    """The strict type of the feed's records, with `ts` left to the clock where it is missing."""
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
    """The msgspec type of one field. Bounds by the largest double refuse NaN and infinities too."""
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
    """The value with exact built-in types in place of their subclasses."""
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
    """The value with doubles in place of whole numbers of more than 64 bits: the type has let those pass as doubles."""
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
    """The refusal in the judge's words, the same that a reader would use for such a line."""
    names = [field.name for field in feed.fields]
    for name in record:
        if name not in names:
            return _refused(feed, str(name), f"is no field of {feed.kind}", hint=f"The fields are {', '.join(names)}")
    stamped = record if record.get("ts") is not None else {**record, "ts": EARLIEST_TS}
    fault = judge_record(feed, stamped)
    return _refused(feed, "", str(error)) if fault is None else _refused(feed, fault.field, fault.what)


def no_mapping(feed: Feed, record: object) -> BadRecord:
    """The refusal of a record that has no fields at all."""
    return _refused(feed, "", f"a record must be a mapping of fields, not {type(record).__name__}")


def _refused(feed: Feed, field: str, what: str, hint: str = "") -> BadRecord:
    place = f"{feed.kind}, {field}" if field else feed.kind
    return BadRecord(what, where=place, hint=hint or "The record was not written")
