"""What every sanity filter is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from calib.config import Setting

if TYPE_CHECKING:
    import polars as pl


class Filter(Protocol):
    """A named rule that drops rows.

    A filter looks at one row alone; it passes a number that is missing, and never changes one. Its one field, if it
    has any, is its limit; a filter that is off is not in the list.
    """

    reason: ClassVar[str]
    """The stable name under which a dropped row is recorded."""
    setting: ClassVar[Setting | None]
    """The setting of its limit, from which the flag, the default and the documentation follow; None: no limit."""

    @property
    def limit(self) -> float:
        """What the dataset records of it: the limit, or true where it has none."""
        ...

    def drops(self) -> pl.Expr:
        """Whether a row is dropped: true or false for each, never null."""
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
