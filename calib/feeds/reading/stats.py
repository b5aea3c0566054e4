"""What was found in one feed file, and the tally that counts it in line order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from calib.feeds.schema.validation import REASONS, RejectReason

FillKey = tuple[Any, ...]
"""(symbol, trade_id, side, price, qty, order_id) of a fill."""
FILL_KEY: Final = ("symbol", "trade_id", "side", "price", "qty", "order_id")
MAX_UNKNOWN: Final = 100
"""Names of unknown fields kept per file: the first ones in line order."""


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field, or with the lines as a whole.

    Parameters
    ----------
    reason
        See `calib.feeds.schema.validation.RejectReason`.
    field
        Empty where no field is to blame.
    lines, first_line
        How many lines have it, and the number of the first.
    what
        What is wrong with the first, in words.
    """

    reason: str
    field: str
    lines: int
    first_line: int
    what: str

    @property
    def sentence(self) -> str:
        """As messages say it: field, fault, number of lines."""
        lines = f"{self.lines} line{'' if self.lines == 1 else 's'}, first at line {self.first_line}"
        return f"{self.field or self.reason}: {self.what or self.reason} ({lines})"


@dataclass(slots=True)
class CountedFault:
    """A `FieldFault` while a file is read: how many lines have it, the number of the first, and what is wrong there."""

    lines: int
    first_line: int
    what: str


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
    trade_id_conflicts
        Used fills whose (symbol, trade_id) an earlier one has too, and that differ from it.
    faults
        The rejects by reason and field, in the order in which they were first met.
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
    trade_id_conflicts: int = 0
    faults: tuple[FieldFault, ...] = ()

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
    seen: dict[tuple[str, str], int | set[int]] = field(default_factory=dict)
    """(symbol, trade_id) of the valid fills so far, and the hash of what tells those apart; a set of several."""
    trade_id_conflicts: int = 0
    faults: dict[tuple[str, str], CountedFault] = field(default_factory=dict)

    def reject(self, reason: str, line: int, name: str = "", what: str = "") -> None:
        """Count a line; ``name`` is the field to blame, ``what`` says what is wrong with it."""
        self.lines += 1
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
        self.first_line.setdefault(reason, line)
        if (known := self.faults.get((reason, name))) is None:
            self.faults[reason, name] = CountedFault(1, line, what)
        else:
            known.lines += 1

    def field_faults(self) -> list[FieldFault]:
        """What was wrong so far, by reason and field."""
        return [
            FieldFault(reason, name, fault.lines, fault.first_line, fault.what)
            for (reason, name), fault in self.faults.items()
        ]

    def use(self, count: int, first: float, last: float, low: float, high: float, steps_back: int) -> None:
        """``count`` >= 1 used lines with their first, last, lowest and highest ``ts`` and the steps back within."""
        self.lines += count
        self.used += count
        self.out_of_order += steps_back + (self.last_ts is not None and first < self.last_ts)
        self.last_ts = last
        self.min_ts = low if self.min_ts is None else min(self.min_ts, low)
        self.max_ts = high if self.max_ts is None else max(self.max_ts, high)

    def note_unknown(self, names: Iterable[str]) -> None:
        for name in names:
            if len(self.unknown) >= MAX_UNKNOWN:
                return
            self.unknown[name] = None

    def repeated(self, fills: Sequence[FillKey]) -> list[int]:
        """Positions of fills that came before; a fill without an id is never a duplicate.

        A fill that has the (symbol, trade_id) of an earlier one and differs from all of those in side, price, quantity
        or order is another fill: both sides of a self-trade, or an id that the venue uses again. It is counted.
        """
        fresh = {fill[:2]: hash(fill[2:]) for fill in fills if fill[1] is not None}
        if len(fresh) == len(fills) and self.seen.keys().isdisjoint(fresh):
            self.seen |= fresh
            return []
        return [position for position, fill in enumerate(fills) if fill[1] is not None and self._is_repeat(fill)]

    def _is_repeat(self, fill: FillKey) -> bool:
        key, rest = fill[:2], hash(fill[2:])
        known = self.seen.get(key)
        if known is None:
            self.seen[key] = rest
            return False
        several = known if isinstance(known, set) else {known}
        if rest in several:
            return True
        several.add(rest)
        self.seen[key] = several
        self.trade_id_conflicts += 1
        return False

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
            trade_id_conflicts=self.trade_id_conflicts,
            faults=tuple(self.field_faults()),
        )
