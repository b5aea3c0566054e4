"""What every sanity filter is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import polars as pl


class Filter(Protocol):
    """A named rule that drops rows.

    A filter looks at one row alone; it says nothing of a number that is missing, and never changes one. Its fields are
    its limits; a filter that is off is not in the list.
    """

    @property
    def reason(self) -> str:
        """The stable name under which a dropped row is recorded."""
        ...

    @property
    def limit(self) -> float:
        """What the dataset records of it: the limit, or true where it has none."""
        ...

    def drops(self) -> pl.Expr:
        """Whether a row is dropped: true or false for each, never null."""
        ...
