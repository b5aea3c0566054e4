"""Where the reading of a plain feed file ended, so that a later one can go on there when the file has grown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from calib.feeds.reading.stats import CountedFault, FieldFault, LineTally

if TYPE_CHECKING:
    import hashlib

MAX_TAIL: Final = 1 << 16
"""Bytes of a last line without its newline past which no later reading goes on before it."""


class PrefixChanged(Exception):
    """What an earlier reading read is not the beginning of the file any more."""


class ReadingState(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a file's whole lines, and where the next line begins.

    A last line without its newline is not counted here: what is written next may belong to it.

    Parameters
    ----------
    offset, line
        Where the next line begins, bytes, and its number, from 1.
    sha256, tail
        Of the file as it was read to its end, and its bytes from ``offset`` on.
    lines, used, rejected, first_line, unknown, out_of_order, last_ts, min_ts, max_ts, faults
        As `calib.feeds.reading.stats.LineTally`.
    """

    offset: int
    line: int
    sha256: str
    tail: bytes
    lines: int
    used: int
    rejected: dict[str, int]
    first_line: dict[str, int]
    unknown: list[str]
    out_of_order: int
    last_ts: float | None
    min_ts: float | None
    max_ts: float | None
    faults: list[FieldFault]

    @classmethod
    def of(cls, tally: LineTally, offset: int, line: int, sha256: str, tail: bytes) -> ReadingState:
        """The state of a tally that has counted every line before ``line``."""
        return cls(
            offset=offset,
            line=line,
            sha256=sha256,
            tail=tail,
            lines=tally.lines,
            used=tally.used,
            rejected={str(reason): count for reason, count in tally.rejected.items()},
            first_line={str(reason): first for reason, first in tally.first_line.items()},
            unknown=list(tally.unknown),
            out_of_order=tally.out_of_order,
            last_ts=tally.last_ts,
            min_ts=tally.min_ts,
            max_ts=tally.max_ts,
            faults=tally.field_faults(),
        )

    def tally(self) -> LineTally:
        """A tally that goes on from here."""
        return LineTally(
            lines=self.lines,
            used=self.used,
            rejected=dict(self.rejected),
            first_line=dict(self.first_line),
            unknown=dict.fromkeys(self.unknown),
            out_of_order=self.out_of_order,
            last_ts=self.last_ts,
            min_ts=self.min_ts,
            max_ts=self.max_ts,
            faults={
                (fault.reason, fault.field): CountedFault(fault.lines, fault.first_line, fault.what)
                for fault in self.faults
            },
        )

    def ends_with(self, digest: hashlib._Hash) -> bool:
        """Whether the bytes before ``offset``, hashed in ``digest``, are those that were read then."""
        digest.update(self.tail)
        return digest.hexdigest() == self.sha256
