"""The small parts of a dataset's envelope, and a row of it as a record. Needs no polars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import msgspec

from calib._version import __version__
from calib.dataset.columns import COUNTS, FEATURES, TARGETS, Column

FAMILY: Final = "calib.dataset/"
SCHEMA: Final = f"{FAMILY}1"

Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A count or Unix seconds that fit into a signed 64-bit column."""


class JsonRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the envelope; unknown keys are ignored when reading."""


class Range(JsonRecord, frozen=True, kw_only=True):
    """``[from, to)`` on the interval grid, ISO 8601 UTC, and the symbols that have a row, sorted."""

    from_: str = msgspec.field(name="from")
    to: str
    interval_sec: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    symbols: list[str]

    @property
    def from_ts(self) -> int:
        """``from`` in Unix seconds; `ValueError` if it is not a valid time."""
        return _seconds(self.from_)

    @property
    def to_ts(self) -> int:
        """``to`` in Unix seconds; `ValueError` if it is not a valid time."""
        return _seconds(self.to)


Filters: TypeAlias = dict[str, int | float | bool | None]
"""Limit of each sanity filter by reason; None if it was off. A dataset made before a filter existed lacks its key."""


class ContractParams(JsonRecord, frozen=True, kw_only=True):
    """The contract of a symbol, see `calib.feeds.contracts.Contract`."""

    inverse: bool
    multiplier: float


class Params(JsonRecord, frozen=True, kw_only=True):
    """The other settings that the numbers depend on."""

    tick_sample_rate: Whole
    maker_fee_bps: float
    taker_fee_bps: float
    contracts: dict[str, ContractParams] | msgspec.UnsetType = msgspec.UNSET
    """Symbol -> its contract; absent if every symbol trades in base units."""


class Input(JsonRecord, frozen=True, kw_only=True):
    """One feed file: ``file`` is a base name, ``lines`` = ``used`` + all of ``rejected`` (reason -> count)."""

    file: str
    bytes: Whole
    sha256: str
    lines: Whole
    used: Whole
    rejected: dict[str, Whole]
    trade_id_conflicts: Whole | msgspec.UnsetType = msgspec.UNSET
    """Number of kept fills with the trade id of another fill; absent if there are none."""


class MissingDays(JsonRecord, frozen=True, kw_only=True):
    """Days of the range without a file, ``YYYY-MM-DD``, by kind of feed."""

    fills: list[str]
    pipeline_ticks: list[str]


class Counts(JsonRecord, frozen=True, kw_only=True):
    """Rows before the filters, rows kept, and rows dropped by reason (a row may fail several)."""

    intervals: Whole
    kept: Whole
    dropped: dict[str, Whole]


def _record_of(name: str, kind: Any, columns: Sequence[Column]) -> Any:
    """Define a part of an interval's record from the table of columns; a column of a later version may be absent."""
    fields = [(column.name, kind | None, None) if column.later else (column.name, kind) for column in columns]
    return msgspec.defstruct(name, fields, bases=(JsonRecord,), module=__name__, frozen=True, kw_only=True)


if TYPE_CHECKING:
    SampleCount: TypeAlias = Any
    Targets: TypeAlias = Any
    Features: TypeAlias = Any
else:
    SampleCount = _record_of("SampleCount", Whole, COUNTS)
    Targets = _record_of("Targets", float | None, TARGETS)
    Features = _record_of("Features", float | None, FEATURES)


class Interval(JsonRecord, frozen=True, kw_only=True):
    """One kept row; ``start`` is ``start_ts`` as ISO 8601 UTC."""

    symbol: str
    start: str
    start_ts: Whole
    end_ts: Whole
    sample_count: SampleCount
    targets: Targets
    features: Features


class Dropped(JsonRecord, frozen=True, kw_only=True):
    """One row that failed at least one filter."""

    symbol: str
    start: str
    start_ts: Whole
    reasons: list[str]


class Tool(JsonRecord, frozen=True, kw_only=True):
    """The program that wrote the file."""

    name: str = "calib"
    version: str = __version__


def iso(ts: int) -> str:
    """Return Unix seconds as ISO 8601 UTC, as in the envelope.

    >>> iso(1735689600)
    '2025-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return int(moment.timestamp())
