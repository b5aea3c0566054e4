"""Messages between a reader and its workers: a piece to decode, and its decoded columns."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from pathlib import Path

import msgspec

from calib.feeds.reading.chunks import ByteSpan
from calib.feeds.reading.packing import ColumnPlan, Packed
from calib.feeds.reading.pieces import Piece
from calib.feeds.reading.rejects import Reject
from calib.feeds.schema.records import Slot


class DecodeRequest(msgspec.Struct, frozen=True, array_like=True):
    """A piece to decode; ``path`` is the bytes of the file name, which need not be UTF-8."""

    plan: ColumnPlan
    span: ByteSpan
    data: bytes | None
    path: bytes | None
    identity: tuple[int, int]

    @classmethod
    def of(cls, plan: ColumnPlan, piece: Piece) -> DecodeRequest:
        path = None if piece.path is None else os.fsencode(piece.path)
        return cls(plan, piece.span, piece.data, path, piece.identity)

    @property
    def piece(self) -> Piece:
        path = None if self.path is None else Path(os.fsdecode(self.path))
        return Piece(self.span, self.data, path, self.identity)


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """The decoded columns of a piece, with the fields of `Packed`; ``lines`` is None if every line was used."""

    count: int
    used: int
    lines: bytes | None
    records: bytes
    slots: tuple[Slot, ...]
    tables: dict[str, list[str | None]]
    texts: dict[str, list[str | None]]
    rejects: list[Reject]
    unknown: list[str]

    @classmethod
    def of(cls, found: Packed) -> Answer:
        lines = None if found.lines == range(found.count) else array("q", found.lines).tobytes()
        return cls(
            found.count,
            found.used,
            lines,
            found.records,
            found.slots,
            found.tables,
            found.texts,
            found.rejects,
            found.unknown,
        )

    @property
    def packed(self) -> Packed:
        lines: Sequence[int] = range(self.count) if self.lines is None else array("q", self.lines)
        return Packed(
            self.count,
            self.used,
            lines,
            self.records,
            self.slots,
            self.tables,
            self.texts,
            self.rejects,
            self.unknown,
        )
