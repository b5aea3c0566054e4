"""What was found in one feed file, and the tally that counts it in line order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from calib.feeds.schema.validation import REASONS, RejectReason

MAX_UNKNOWN: Final = 100
"""Names of unknown fields kept per file: the first ones in line order."""


@dataclass(frozen=True, slots=True)
class FileStats:
    """The facts of one feed file, of the whole day whatever range was asked.

    ``lines == used + sum(rejected.values())``, always.

    Parameters
    ----------
    file, path
        Its base name; its path as given, for messages only.
    bytes, sha256
        Of the file as it is stored, compressed where it is.
    lines
        Lines that are not blank.
    used
        Of these, the valid ones.
    rejected, first_line
        By reason, in the order of `calib.feeds.schema.validation.RejectReason`: how many, and the number of the first.
    unknown_fields
        Names that the feed's table does not list, each once, sorted; at most 100.
    out_of_order
        Used lines whose ``ts`` is below that of the used line before.
    min_ts, max_ts
        Of the used lines, Unix seconds; None without any.
    """

    file: str
    path: str
    kind: str
    bytes: int
    sha256: str
    lines: int
    used: int
    rejected: dict[str, int]
    first_line: dict[str, int]
    unknown_fields: tuple[str, ...]
    out_of_order: int
    min_ts: float | None
    max_ts: float | None

    @property
    def partial_tail(self) -> bool:
        """Whether the last line was cut short, with a writer perhaps still at it."""
        return RejectReason.PARTIAL_TAIL in self.rejected


@dataclass(slots=True)
class LineTally:
    """Counts while a file is read; everything comes in line order."""

    lines: int = 0
    used: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    first_line: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, None] = field(default_factory=dict)
    out_of_order: int = 0
    last_ts: float | None = None
    min_ts: float | None = None
    max_ts: float | None = None
    seen: set[tuple[str | None, str | None]] = field(default_factory=set)
    """(symbol, trade_id) of the valid fills so far."""

    def reject(self, reason: str, line: int) -> None:
        self.lines += 1
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
        self.first_line.setdefault(reason, line)

    def use(self, count: int, first: float, last: float, low: float, high: float, steps_back: int) -> None:
        """``count`` >= 1 used lines with their first, last, lowest and highest ``ts`` and the steps back within."""
        self.lines += count
        self.used += count
        self.out_of_order += steps_back + (self.last_ts is not None and first < self.last_ts)
        self.last_ts = last
        self.min_ts = low if self.min_ts is None else min(self.min_ts, low)
        self.max_ts = high if self.max_ts is None else max(self.max_ts, high)

    def note_unknown(self, names: list[str]) -> None:
        for name in names:
            if len(self.unknown) >= MAX_UNKNOWN:
                return
            self.unknown[name] = None

    def repeated(self, keys: list[tuple[str | None, str | None]]) -> list[int]:
        """Positions whose (symbol, trade_id) came before; a fill without an id is never a duplicate."""
        fresh = {key for key in keys if key[1] is not None}
        if len(fresh) == len(keys) and self.seen.isdisjoint(fresh):
            self.seen |= fresh
            return []
        found: list[int] = []
        for position, (symbol, trade_id) in enumerate(keys):
            if trade_id is None:
                continue
            if (symbol, trade_id) in self.seen:
                found.append(position)
            self.seen.add((symbol, trade_id))
        return found

    def finish(self, **stored: Any) -> FileStats:
        """The facts; ``stored`` gives file, path, kind, bytes and sha256."""
        order = [reason for reason in REASONS if reason in self.rejected]
        return FileStats(
            **stored,
            lines=self.lines,
            used=self.used,
            rejected={reason: self.rejected[reason] for reason in order},
            first_line={reason: self.first_line[reason] for reason in order},
            unknown_fields=tuple(sorted(self.unknown)),
            out_of_order=self.out_of_order,
            min_ts=self.min_ts,
            max_ts=self.max_ts,
        )
