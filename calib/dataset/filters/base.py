"""The protocol of sanity filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from calib.config import Setting

if TYPE_CHECKING:
    import polars as pl


class Filter(Protocol):
    """A named rule that drops rows.

    A filter checks one row at a time, keeps a row whose number is missing, and changes nothing. Its only field, if it
    has any, is its limit; a filter that is off is not in the list.
    """

    reason: ClassVar[str]
    """The stable name under which a dropped row is recorded."""
    setting: ClassVar[Setting | None]
    """The setting of its limit, which defines the flag, the default and the documentation; None: no limit."""

    @property
    def limit(self) -> float:
        """The limit that the dataset records; true for a filter without a limit."""
        ...

    def drops(self) -> pl.Expr:
        """Return an expression that is true for each row to drop, else false, and never null."""
        ...


@dataclass(frozen=True, slots=True)
class PlainFilter:
    """A filter on the unpacked records of a `calib.dataset.interval_table.IntervalTable`.

    A filter that has a method ``plain`` which gives one spares `calib aggregate` polars; without it the rows become a
    frame, and `Filter.drops` decides.

    Parameters
    ----------
    reason
        That of the filter.
    drops
        Whether a row is dropped, as the filter itself would decide.
    """

    reason: str
    drops: Callable[[tuple[Any, ...]], bool]
