"""Whether imported books can ever be known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BookCoverage:
    """Which symbols have changes of a book, and which a whole book to begin with."""

    def __init__(self) -> None:
        self._changed: set[str] = set()
        self._whole: set[str] = set()

    def see(self, record: Mapping[str, Any]) -> None:
        """The next book record."""
        (self._whole if record["type"] == "snapshot" else self._changed).add(record["symbol"])

    def unknowable(self) -> tuple[str, ...]:
        """Symbols with changes and no whole book, sorted."""
        return tuple(sorted(self._changed - self._whole))
