"""Exact validation of a line or record, by the rules of `calib.feeds.schema.table`.

It is the reference for the fast path of the readers (`calib.feeds.reading.decoding`), which may only accept lines that
are valid here. All other lines are validated here individually. Nothing here needs polars, so that the live writers can
use it.
"""

from __future__ import annotations

import enum
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from calib.feeds.schema.table import EARLIEST_TS, LATEST_TS, MAX_SYMBOL, Feed, Field, Type

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
_UNITS: Final = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))


class RejectReason(enum.StrEnum):
    """Why a line is rejected; if several reasons apply, the first in this order is used."""

    BAD_JSON = "bad_json"
    """Not JSON text: truncated, damaged, NUL bytes, invalid UTF-8, ``NaN``, a number that overflows a double."""
    NOT_OBJECT = "not_object"
    MISSING_FIELD = "missing_field"
    """A required field that is absent or null."""
    BAD_TYPE = "bad_type"
    """A listed field of another type; values are not converted."""
    BAD_VALUE = "bad_value"
    """A listed field outside its domain."""
    WRONG_DAY = "wrong_day"
    """The UTC day of the line is not that of its file."""
    DUPLICATE = "duplicate"
    """A fill that the file already contains: the same symbol, trade_id, side, price, qty and order_id."""
    PARTIAL_TAIL = "partial_tail"
    """The unfinished last line of the newest day, which a writer may still be writing."""


REASONS: Final = tuple(reason.value for reason in RejectReason)


class Violation(NamedTuple):
    """The violation of a rule by a record.

    Parameters
    ----------
    reason
        See `RejectReason`.
    field
        The first affected field in the order of the table; empty if no single field is affected.
    what
        A short text for people, such as ``"5" is not a number``.
    """

    reason: RejectReason
    field: str
    what: str


class ValidationResult(NamedTuple):
    """The result of the validation of a line.

    Parameters
    ----------
    record
        The listed fields that are not null, with numbers as float, if the line is valid; otherwise None.
    fault
        The violation if the line is not valid; otherwise None.
    unknown
        Names of the fields that are not in the table, in the order of the line; also for invalid objects.
    """

    record: dict[str, Any] | None
    fault: Violation | None
    unknown: tuple[str, ...] = ()


_Check = Callable[[Field, Any], "tuple[RejectReason, str] | None"]
_Found = tuple[RejectReason, str]


def judge_line(feed: Feed, line: bytes) -> ValidationResult:
    """Validate one line of a feed file; the reader checks its day and duplicates.

    >>> from calib.feeds.schema.table import FEEDS
    >>> judge_line(FEEDS["trades"], b'{"ts": 1735689600, "symbol": "X", "price": "5", "qty": 1, "side": "buy"}').fault
    Violation(reason=<RejectReason.BAD_TYPE: 'bad_type'>, field='price', what='"5" is not a number')
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return ValidationResult(
            None, Violation(RejectReason.BAD_JSON, "", error.msg if error.lineno == 1 else str(error))
        )
    if not isinstance(value, dict):
        return ValidationResult(None, Violation(RejectReason.NOT_OBJECT, "", f"a {_json_name(value)}, not an object"))
    rules = _rules_of(feed)
    unknown = tuple([name for name in value if name not in rules.names])
    _restore_long_integers(rules, value, line)
    fault = judge_record(feed, value)
    if fault is not None:
        return ValidationResult(None, fault, unknown)
    return ValidationResult(_plain(feed, value), None, unknown)


def judge_record(feed: Feed, record: Mapping[str, Any]) -> Violation | None:
    """Return the first fault of a record by the order of `RejectReason`, then of the table; None if it is valid.

    Unknown fields are ignored. A float that is not finite is a ``bad_value``, text that is not UTF-8 a ``bad_json``.

    >>> from calib.feeds.schema.table import FEEDS
    >>> judge_record(FEEDS["trades"], {"ts": 1735689600.0, "symbol": "X", "price": -1, "qty": 1, "side": "buy"})
    Violation(reason=<RejectReason.BAD_VALUE: 'bad_value'>, field='price', what='-1 is not > 0')
    """
    worst: _Found | None = None
    name_of_worst, worst_rank = "", len(_RANK)
    for name, field, required, check, plain, low, high in _rules_of(feed).fields:
        value = record.get(name)
        if value is None:
            if not required:
                continue
            found: _Found | None = (RejectReason.MISSING_FIELD, "null" if name in record else "absent")
        elif value.__class__ is plain and low <= value <= high:
            continue
        else:
            found = check(field, value)
        if found is not None and (rank := _RANK[found[0]]) < worst_rank:
            worst, name_of_worst, worst_rank = found, name, rank
    return None if worst is None else Violation(worst[0], name_of_worst, worst[1])


def show(value: Any, limit: int = 60) -> str:
    """Return a value as in the line, shortened for a message."""
    text = repr(value) if isinstance(value, float) and not math.isfinite(value) else _encoded(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


_RANK: Final = {reason: rank for rank, reason in enumerate(RejectReason)}


def _string(field: Field, value: Any) -> _Found | None:
    if not isinstance(value, str):
        return RejectReason.BAD_TYPE, f"{show(value)} is not a string"
    if not value.isascii() and not _is_utf8(value):
        return RejectReason.BAD_JSON, "holds a lone surrogate, which UTF-8 cannot carry"
    if field.choices and value not in field.choices:
        return RejectReason.BAD_VALUE, f"{show(value)}; expected {_either(field.choices)}"
    return _symbol(value) if field.symbol else None


def _symbol(value: str) -> _Found | None:
    if not value:
        return RejectReason.BAD_VALUE, "is empty"
    if len(value) > MAX_SYMBOL:
        return RejectReason.BAD_VALUE, f"has {len(value)} characters, more than {MAX_SYMBOL}"
    if has_control(value):
        return RejectReason.BAD_VALUE, f"{show(value)} holds a control character"
    return None


def has_control(text: str) -> bool:
    """Whether the text contains a control character (Unicode Cc: U+0000..U+001F and U+007F..U+009F)."""
    if text.isprintable():
        return False
    return any(char < " " or "\x7f" <= char <= "\x9f" for char in text)


def _number(field: Field, value: Any) -> _Found | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return RejectReason.BAD_TYPE, f"{show(value)} is not a number"
    return _bounds(field, value)


def _integer(field: Field, value: Any) -> _Found | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return RejectReason.BAD_TYPE, f"{show(value)} is not an integer"
    if not INT64_MIN <= value <= INT64_MAX:
        return RejectReason.BAD_VALUE, f"{show(value)} needs more than 64 bits"
    return _bounds(field, value)


def _bounds(field: Field, value: float) -> _Found | None:
    if not _is_finite(value):
        return RejectReason.BAD_VALUE, f"{show(value)} is not finite"
    if field.is_time:
        return None if EARLIEST_TS <= value <= LATEST_TS else (RejectReason.BAD_VALUE, implausible_time(value))
    if field.gt is not None and not value > field.gt:
        return RejectReason.BAD_VALUE, f"{show(value)} is not > {field.gt:g}"
    if field.ge is not None and not value >= field.ge:
        return RejectReason.BAD_VALUE, f"{show(value)} is not >= {field.ge:.12g}"
    if field.le is not None and not value <= field.le:
        return RejectReason.BAD_VALUE, f"{show(value)} is not <= {field.le:.12g}"
    return None


def implausible_time(value: float) -> str:
    """Describe a number that is not plausible as Unix seconds.

    >>> implausible_time(1735765201000), implausible_time(0)
    ('1735765201000 looks like milliseconds', '0 is not plausibly Unix seconds')
    """
    for unit, per_second in _UNITS:
        if EARLIEST_TS <= value / per_second <= LATEST_TS:
            return f"{show(value)} looks like {unit}"
    return f"{show(value)} is not plausibly Unix seconds"


def _either(choices: tuple[str, ...]) -> str:
    """Return choices as text: ``"buy" or "sell"``."""
    quoted = [f'"{choice}"' for choice in choices]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _boolean(field: Field, value: Any) -> _Found | None:
    return None if isinstance(value, bool) else (RejectReason.BAD_TYPE, f"{show(value)} is not a boolean")


def _stages(field: Field, value: Any) -> _Found | None:
    if not isinstance(value, Mapping):
        return RejectReason.BAD_TYPE, f"{show(value)} is not an object"
    found: _Found | None = None
    for stage, duration in value.items():
        if stage.__class__ is str and stage.isascii() and duration.__class__ is float and 0.0 <= duration < math.inf:
            continue
        if not isinstance(stage, str):
            return RejectReason.BAD_TYPE, f"stage {show(stage)} is not a string"
        if not stage.isascii() and not _is_utf8(stage):
            return RejectReason.BAD_JSON, "a stage name holds a lone surrogate, which UTF-8 cannot carry"
        if duration is None:
            continue
        if not isinstance(duration, int | float) or isinstance(duration, bool):
            return RejectReason.BAD_TYPE, f"stage {show(stage)}: {show(duration)} is not a number"
        if found is None and not (_is_finite(duration) and duration >= 0):
            found = RejectReason.BAD_VALUE, f"stage {show(stage)}: {show(duration)} is not >= 0 and finite"
    return found


def _levels(field: Field, value: Any) -> _Found | None:
    if not isinstance(value, list | tuple):
        return RejectReason.BAD_TYPE, f"{show(value)} is not an array"
    found: _Found | None = None
    for level in value:
        if not isinstance(level, list | tuple) or len(level) != 2:
            return RejectReason.BAD_TYPE, f"level {show(level)} is not [price, qty]"
        for number in level:
            if not isinstance(number, int | float) or isinstance(number, bool):
                return RejectReason.BAD_TYPE, f"level {show(level)} does not hold two numbers"
        price, qty = level
        if found is None and not (_is_finite(price) and _is_finite(qty) and price > 0 and qty >= 0):
            found = RejectReason.BAD_VALUE, f"level {show(level)} is not price > 0 and qty >= 0"
    return found


_CHECKS: Final[dict[Type, _Check]] = {
    Type.STRING: _string,
    Type.NUMBER: _number,
    Type.INTEGER: _integer,
    Type.BOOLEAN: _boolean,
    Type.STAGES: _stages,
    Type.LEVELS: _levels,
}


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond every double
        return False


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _encoded(value: Any) -> str:
    try:
        return orjson.dumps(value).decode("utf-8")
    except (orjson.JSONEncodeError, RecursionError):
        return repr(value)


def _json_name(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case _:
            return "array"


class _FieldRule(NamedTuple):
    """A field with what its validation needs; a ``plain`` value from ``low`` to ``high`` needs no other check."""

    name: str
    field: Field
    required: bool
    check: _Check
    plain: Any
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _FeedRules:
    """The table of a feed, prepared once for all lines."""

    feed: Feed
    fields: tuple[_FieldRule, ...]
    names: frozenset[str]
    integers: tuple[str, ...]


_RULES: Final[dict[str, _FeedRules]] = {}


def _rules_of(feed: Feed) -> _FeedRules:
    rules = _RULES.get(feed.kind)
    if rules is None or rules.feed is not feed:
        names = frozenset(field.name for field in feed.fields)
        integers = tuple(field.name for field in feed.fields if field.type is Type.INTEGER)
        rules = _RULES[feed.kind] = _FeedRules(feed, tuple(map(_rule_of, feed.fields)), names, integers)
    return rules


def _rule_of(field: Field) -> _FieldRule:
    plain: type | None = {Type.NUMBER: float, Type.INTEGER: int}.get(field.type)
    low, high = (INT64_MIN, INT64_MAX) if plain is int else (-sys.float_info.max, sys.float_info.max)
    if field.gt is not None:
        low = max(low, math.nextafter(field.gt, math.inf))
    if field.ge is not None:
        low = max(low, field.ge)
    if field.le is not None:
        high = min(high, field.le)
    return _FieldRule(field.name, field, field.required, _CHECKS[field.type], plain, low, high)


def _restore_long_integers(rules: _FeedRules, value: dict[str, Any], line: bytes) -> None:
    """Restore integers of more than 64 bits, which the parser converts to floats."""
    for name in rules.integers:
        if (number := value.get(name)).__class__ is float and abs(number) >= 2**63:
            value[name] = msgspec.json.decode(line).get(name)


def _plain(feed: Feed, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the listed, non-null fields in the order of the table; numbers are floats, except in integer fields."""
    return {
        field.name: _AS_READ[field.type](found) for field in feed.fields if (found := value.get(field.name)) is not None
    }


def _same(value: Any) -> Any:
    return value


_AS_READ: Final[dict[Type, Callable[[Any], Any]]] = {
    Type.STRING: _same,
    Type.NUMBER: float,
    Type.INTEGER: _same,
    Type.BOOLEAN: _same,
    Type.STAGES: lambda stages: {stage: None if ms is None else float(ms) for stage, ms in stages.items()},
    Type.LEVELS: lambda levels: [(float(price), float(qty)) for price, qty in levels],
}
