"""What every importer of a foreign format is: a stream of records, with a reject for each row that gives none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Advance = Callable[[float], None]
"""Told of the bytes of the source file that were read since the last call: its own bytes, packed ones where it is."""


def unseen(_amount: float) -> None:
    """An `Advance` for whoever does not look."""


@dataclass(frozen=True, slots=True)
class Imported:
    """One record of one feed, as the feed's table names its fields; not yet checked against it."""

    kind: str
    """Feed: ``fills``, ``book``, ..."""
    record: dict[str, Any]
    line: int
    """Where it began in the source file, counted from 1; no other record of its feed begins there."""
    stream: str = ""
    """Which of the source's streams told it: a symbol's feed must not be told by two. Empty where there is but one."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row that gives no record, and why.

    ``damaged`` tells a broken row from one that is whole and was turned away by a rule the user can change.
    """

    line: int
    reason: str
    field: str
    text: str
    damaged: bool = True


class Importer(Protocol):
    """One foreign format.

    Importers invent nothing: what the source does not say is left out of the record. They read in one pass and keep
    nothing of it, so that a file larger than memory is no problem of theirs.
    """

    name: str

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        """The rows of one file in their order; ``advance`` is told how far the reading has come, about.

        Raises
        ------
        UnreadableInput
            Where the file cannot be opened.
        NotThisFormat
            Where it is something else; raised before the first row.
        """
        ...
