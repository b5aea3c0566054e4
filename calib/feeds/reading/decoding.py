"""Decode the bytes of a chunk to rows: by msgspec, and by the slow validation for each line that msgspec refuses.

A bad line does not slow down the other lines. The names of unknown fields and of stages are learned from the lines in
which they first occur, so that later lines with them are decoded by msgspec too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import UNSET

from calib.feeds.reading.chunks import HEAD, MAX_LINE
from calib.feeds.reading.rejects import TEXT_LIMIT, Reject, clipped
from calib.feeds.reading.stats import MAX_UNKNOWN
from calib.feeds.schema.table import FEEDS, Type
from calib.feeds.schema.types import DAY_S, FeedRecord, learnable, learned_type, row_type
from calib.feeds.schema.validation import RejectReason, ValidationResult, Violation, has_control, judge_line

_MAX_LEARNED: Final = 64
_REFUSED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError)
_BLANK: Final = b" \t\r\n"
_SYMBOL: Final = attrgetter("symbol")
_TOO_LONG: Final = Violation(RejectReason.BAD_JSON, "", f"longer than {MAX_LINE >> 20} MiB")


@dataclass(slots=True)
class Rows:
    """The decoded lines of one chunk.

    Parameters
    ----------
    count
        Number of lines of the chunk, including blank ones.
    rows, lines
        The valid rows, and the line number of each within the chunk, from 0.
    rejects
        The rejected lines in line order, with line numbers within the chunk.
    unknown
        Names of unknown fields in order of first occurrence, at most 100, each with its line and its position there.
    """

    count: int
    rows: list[Any]
    lines: Sequence[int]
    rejects: list[Reject] = field(default_factory=list)
    unknown: dict[str, tuple[int, int]] = field(default_factory=dict)


class RowDecoder:
    """Decodes the chunks of one file in order, and learns the names of unknown fields and of stages.

    Parameters
    ----------
    kind
        The feed.
    first_ts
        Beginning of the file's day, Unix seconds; a line of another UTC day is rejected as ``wrong_day``.
    stages
        The stages that become columns; None for whole records with the stages as dicts.
    """

    def __init__(self, kind: str, first_ts: int, stages: Sequence[str] | None) -> None:
        self.feed = FEEDS[kind]
        self.first_ts = first_ts
        self._stages_fields = [entry.name for entry in self.feed.fields if entry.type is Type.STAGES]
        self.unknown: list[str] = []
        """Learned names of unknown fields."""
        self._whole = stages is None
        self.stages: list[str] = [] if stages is None else list(dict.fromkeys(stages))
        self._build()

    def decode(self, data: bytes) -> Rows:
        """Decode a chunk of whole lines."""
        texts = data.split(b"\n")
        if not texts[-1]:
            texts.pop()
        rows: list[Any] = []
        judged: dict[int, ValidationResult] = {}
        long: dict[int, bytes] = {}
        if len(data) > MAX_LINE:
            # Do not decode a line that is too long: its objects would need many times its size.
            long = {number: text[:HEAD] for number, text in enumerate(texts) if len(text) > MAX_LINE}
            judged = {number: ValidationResult(None, _TOO_LONG) for number in long}
            texts = [b"" if number in long else text for number, text in enumerate(texts)]
        holes = self._pass_over(texts, rows, judged)
        unknown = self._unknown_names(rows, judged)
        lines: Sequence[int] = range(len(texts))
        if holes:
            lines = [number for number, row in enumerate(rows) if row is not None]
            rows = [row for row in rows if row is not None]
        if refused := self._controlled(texts, rows, lines):
            judged |= refused
            kept = [(row, number) for row, number in zip(rows, lines, strict=True) if number not in refused]
            rows, lines = [row for row, _ in kept], [number for _, number in kept]
        rejects = [
            _reject(number, verdict.fault, long.get(number, texts[number]))
            for number, verdict in sorted(judged.items())
            if verdict.fault is not None
        ]
        return Rows(len(texts), rows, lines, rejects, unknown)

    def oversized(self, head: bytes) -> Rows:
        """Return the reject of a chunk with a single oversized line, whose beginning is ``head``."""
        return Rows(1, [], [], [_reject(0, _TOO_LONG, head)])

    def _build(self) -> None:
        if self._whole:
            self._row: type[FeedRecord] = learned_type(self.feed.kind, self.first_ts, self.unknown)
        else:
            self._row, self._stages_row = row_type(self.feed.kind, self.first_ts, self.unknown, self.stages)
        self._decode = msgspec.json.Decoder(self._row).decode

    def _pass_over(self, texts: list[bytes], rows: list[Any], judged: dict[int, ValidationResult]) -> int:
        """Append one entry per line to ``rows``, None for a blank or rejected line; return the number of None."""
        lines = iter(texts)
        holes = 0
        while True:
            try:
                # On an exception, `extend` keeps the rows before it, so the refused line is number len(rows).
                rows.extend(map(self._decode, lines))
                return holes
            except _REFUSED:
                pass  # judged below: the judge's own exceptions would drag this one along
            text = texts[len(rows)]
            row = None
            if text.strip(_BLANK):
                verdict = judged[len(rows)] = self._judged(text)
                row = self._admitted(verdict)
            holes += row is None
            rows.append(row)

    def _judged(self, text: bytes) -> ValidationResult:
        verdict = judge_line(self.feed, text)
        if verdict.record is not None and not self.first_ts <= verdict.record["ts"] < self.first_ts + DAY_S:
            return ValidationResult(None, self._other_day(verdict.record["ts"]), verdict.unknown)
        return verdict

    def _other_day(self, ts: float) -> Violation:
        day, own = (datetime.fromtimestamp(moment, UTC).date() for moment in (ts, self.first_ts))
        return Violation(RejectReason.WRONG_DAY, "ts", f"{ts} is of {day}; the file's day is {own}")

    def _admitted(self, verdict: ValidationResult) -> Any:
        if verdict.record is None:
            return None
        self._learn(verdict)
        return self._row(**self._as_row(verdict.record))

    def _learn(self, verdict: ValidationResult) -> None:
        known = len(self.unknown), len(self.stages)
        _add_names(self.unknown, verdict.unknown)
        if not self._whole and verdict.record is not None:
            for name in self._stages_fields:
                _add_names(self.stages, verdict.record.get(name, ()))
        if known != (len(self.unknown), len(self.stages)):
            self._build()

    def _as_row(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the record with its stages in the form of this decoder's rows."""
        if self._whole:
            return record
        for name in self._stages_fields:
            if (stages := record.get(name)) is not None:
                known = {f"stage_{n}": stages[stage] for n, stage in enumerate(self.stages) if stage in stages}
                record = record | {name: self._stages_row(**known)}
        return record

    def _controlled(self, texts: list[bytes], rows: list[Any], lines: Sequence[int]) -> dict[int, ValidationResult]:
        """Validate the lines whose symbols have control characters, which the row types cannot exclude."""
        controlled = {symbol for symbol in set(map(_SYMBOL, rows)) if has_control(symbol)}
        if not controlled:
            return {}
        return {
            number: judge_line(self.feed, texts[number])
            for number, row in zip(lines, rows, strict=True)
            if row.symbol in controlled
        }

    def _unknown_names(self, rows: list[Any], judged: dict[int, ValidationResult]) -> dict[str, tuple[int, int]]:
        """Return the unknown fields of all lines with their first occurrence in the chunk."""
        first: dict[str, tuple[int, int]] = {}
        for position, name in enumerate(self.unknown):
            attribute = f"unknown_{position}"
            for number, row in enumerate(rows):
                # A row decoded before the name was learned has no such attribute.
                if row is not None and getattr(row, attribute, UNSET) is not UNSET:
                    first[name] = number, position
                    break
        for number in sorted(judged):
            for position, name in enumerate(judged[number].unknown):
                first[name] = min(first.get(name, (number, position)), (number, position))
        return {name: first[name] for name in sorted(first, key=lambda name: first[name])[:MAX_UNKNOWN]}


def _reject(line: int, fault: Violation, text: bytes) -> Reject:
    shown = clipped(text) if fault is not _TOO_LONG else f"{fault.what}: {clipped(text)}"[:TEXT_LIMIT]
    return Reject(line, fault.reason, fault.field, shown, fault.what)


def _add_names(known: list[str], names: Any) -> None:
    for name in names:
        if len(known) < _MAX_LEARNED and name not in known and learnable(name):
            known.append(name)
