"""Check whether imported books can be reconstructed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BookCoverage:
    """Tracks which symbols have book deltas, and which have a snapshot to apply them to."""

    def __init__(self) -> None:
        self._with_deltas: set[str] = set()
        self._with_snapshot: set[str] = set()

    def see(self, record: Mapping[str, Any]) -> None:
        """Add the next book record."""
        (self._with_snapshot if record["type"] == "snapshot" else self._with_deltas).add(record["symbol"])

    def unknowable(self) -> tuple[str, ...]:
        """Return the symbols with deltas but no snapshot, sorted."""
        return tuple(sorted(self._with_deltas - self._with_snapshot))
