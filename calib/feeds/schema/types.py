"""Strict types generated from the table of fields, into which valid lines are decoded, with all checks in native code.

The types accept only lines that `calib.feeds.schema.validation` accepts, with the same values, but not all of them; for
example, unknown fields must be learned first. They cannot check control characters in symbols. Types for a file also
reject lines of another UTC day.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

from calib.feeds.schema.table import EARLIEST_TS, FEEDS, LATEST_TS, MAX_SYMBOL, Feed, Field, Type
from calib.feeds.schema.validation import INT64_MAX, INT64_MIN

DAY_S: Final = 86_400
_LARGEST: Final = 1.797e308
"""Slightly below the largest double; larger values are checked by `calib.feeds.schema.validation`."""
_Duration = Annotated[float, Meta(ge=0, le=_LARGEST)]
_Price = Annotated[float, Meta(gt=0, le=_LARGEST)]
_SCALAR: Final = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)] | str | bool | None
_ANYTHING: Final[Any] = _SCALAR | list[_SCALAR] | dict[str, _SCALAR] | UnsetType  # type: ignore[valid-type]
"""Accepted values of an unknown field; deeper values are checked by `calib.feeds.schema.validation`."""


class FeedRecord(msgspec.Struct, kw_only=True, gc=False):
    """A valid line: one attribute per field of its feed, None if the field is absent or null.

    Numbers are floats (integer fields are int), stages a dict, levels a list of ``(price, qty)``.
    """


@cache
def record_type(kind: str) -> type[FeedRecord]:
    """Return the record type of a feed, with stages as dicts."""
    fields = [_member(field, dict[str, _Duration | None]) for field in FEEDS[kind].fields]
    type_ = msgspec.defstruct(
        kind.title().replace("_", ""),
        fields,
        bases=(FeedRecord,),
        kw_only=True,
        gc=False,
        forbid_unknown_fields=True,
        module=__name__,
    )
    return cast("type[FeedRecord]", type_)


def learned_type(kind: str, first_ts: int, unknown: Iterable[str]) -> type[FeedRecord]:
    """Return the record type of a feed and day that accepts unknown fields as ``unknown_0``, ``unknown_1``, ...

    Parameters
    ----------
    first_ts
        Start of the day, Unix seconds.
    """
    return _of_file(record_type(kind), first_ts, unknown)


def row_type(
    kind: str, first_ts: int, unknown: Iterable[str], stages: Iterable[str]
) -> tuple[type[FeedRecord], type[msgspec.Struct]]:
    """Return the type for columns: like `learned_type`, but each stages field is a struct of the known stages.

    Returns
    -------
    tuple
        The type of the row, and that of its stages with attributes ``stage_0``, ``stage_1``, ...
    """
    names = list(stages)
    stages_struct = msgspec.defstruct(
        "Stages",
        [(f"stage_{n}", _Duration | None, None) for n in range(len(names))],
        rename={f"stage_{n}": name for n, name in enumerate(names)},
        gc=False,
        forbid_unknown_fields=True,
        module=__name__,
    )
    row = msgspec.defstruct(
        "Row",
        [_member(field, stages_struct) for field in FEEDS[kind].fields],
        bases=(FeedRecord,),
        kw_only=True,
        gc=False,
        forbid_unknown_fields=True,
        module=__name__,
    )
    return _of_file(cast("type[FeedRecord]", row), first_ts, unknown), stages_struct


def learnable(name: str) -> bool:
    """Whether a struct can have a field with this name."""
    return 0 < len(name) <= 128 and name.isascii() and name.isprintable() and not {'"', "\\"} & set(name)


def _of_file(base: type[FeedRecord], first_ts: int, unknown: Iterable[str]) -> type[FeedRecord]:
    names = list(unknown)
    of_the_day = Annotated[float, Meta(ge=max(first_ts, EARLIEST_TS), le=last_moment(first_ts))]
    type_ = msgspec.defstruct(
        base.__name__,
        [("ts", of_the_day), *((f"unknown_{n}", _ANYTHING, UNSET) for n in range(len(names)))],
        bases=(base,),
        rename={f"unknown_{n}": name for n, name in enumerate(names)},
        kw_only=True,
        gc=False,
        forbid_unknown_fields=True,
        module=__name__,
    )
    return cast("type[FeedRecord]", type_)


def last_moment(first_ts: int) -> float:
    """Return the last double of the day that is a plausible time."""
    return min(math.nextafter(first_ts + DAY_S, -math.inf), LATEST_TS)


def _member(field: Field, stages: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    type_ = _type(field, stages)
    return (field.name, type_) if field.required else (field.name, type_ | None, None)


def _type(field: Field, stages: Any) -> Any:
    match field.type:
        case Type.STRING if field.choices:
            return Literal[field.choices]
        case Type.STRING:
            return Annotated[str, Meta(min_length=1, max_length=MAX_SYMBOL)] if field.symbol else str
        case Type.NUMBER:
            if field.gt is not None:
                return Annotated[float, Meta(gt=field.gt, le=_least(field.le, _LARGEST))]
            low = -_LARGEST if field.ge is None else field.ge
            return Annotated[float, Meta(ge=low, le=_least(field.le, _LARGEST))]
        case Type.INTEGER:
            low = INT64_MIN if field.ge is None else int(field.ge)
            high = INT64_MAX if field.le is None else int(field.le)
            return Annotated[int, Meta(ge=low, le=high)]
        case Type.BOOLEAN:
            return bool
        case Type.STAGES:
            return stages
        case Type.LEVELS:
            return list[tuple[_Price, _Duration]]


def _least(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)


def columns_of(feed: Feed) -> list[str]:
    """Return the fields that can be a single column: all except stages and levels."""
    return [field.name for field in feed.fields if field.type not in (Type.STAGES, Type.LEVELS)]
