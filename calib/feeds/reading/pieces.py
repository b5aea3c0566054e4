"""The pieces of a file that are decoded independently, and the protocol of their decoders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from calib.feeds.reading import chunks
from calib.feeds.reading.chunks import HEAD, ByteSpan, without_mark
from calib.feeds.reading.compression import BLOCK, StoredFile, contents
from calib.feeds.reading.days import DayFile, Form
from calib.feeds.reading.packing import ColumnPlan, Packed, Packer, PlanCarrier
from calib.storage import source_of


@dataclass(frozen=True, slots=True)
class Piece:
    """One chunk: its bytes, or (``data`` is None) the file from which to read them again."""

    span: ByteSpan
    data: bytes | None
    path: Path | None = None
    identity: tuple[int, int] = (0, 0)

    def content(self) -> bytes:
        """Return the bytes of the lines; of an oversized line only the beginning."""
        if self.data is not None:
            return self.data
        assert self.path is not None
        size = min(self.span.size, HEAD) if self.span.oversized else self.span.size
        return without_mark(
            source_of(self.path).read_range(self.path, self.identity, self.span.offset, size), self.span
        )

    def lines(self) -> list[bytes]:
        return self.content().split(b"\n")


class PieceDecoder(Protocol):
    """Decoder of the pieces of a file, in this process or in workers."""

    remote: bool
    """Whether other processes decode; these read the bytes of a plain file themselves instead of receiving them."""

    def run(self, plan: ColumnPlan, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Packed]]:
        """Yield each piece with its decoded columns, in the order given."""
        ...


class InProcess:
    """Decodes the pieces in this process, one at a time."""

    remote = False

    def run(self, plan: ColumnPlan, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Packed]]:
        packer = new_packer(plan)
        for piece in pieces:
            yield piece, packed(packer, piece)


def new_packer(plan: ColumnPlan) -> PlanCarrier:
    """Return a packer of the plan: the kernel if it is available and supports the plan, else Python."""
    from calib.feeds.reading.native import library

    if (kernel := library()) is not None:
        from calib.feeds.reading.native.packer import NativePacker, suits

        if suits(plan):
            return NativePacker(kernel, plan)
    return Packer(plan)


def packed(packer: PlanCarrier, piece: Piece) -> Packed:
    """Return the decoded columns of a piece; an oversized line is rejected by its beginning."""
    data = piece.content()
    return packer.oversized(data) if piece.span.oversized else packer.pack(data)


def pieces_of(
    file: DayFile, stored: StoredFile, limits: tuple[int, int], by_reference: bool, begin: int = 0
) -> Iterator[Piece]:
    """Yield the file's chunks from the offset ``begin`` on, up to which ``stored`` has been read.

    With ``by_reference``, the pieces of a plain local file have no bytes: each worker reads its piece from the file.
    """
    block = min(BLOCK, limits[0])
    path = file.path if file.form is Form.PLAIN and isinstance(file.path, Path) else None
    if by_reference and path is not None:
        buffer, cutter = bytearray(block), chunks.Cutter(*limits, begin)
        while size := stored.read_into(buffer):
            yield from (Piece(span, None, path, stored.identity) for span in cutter.add(buffer, size))
        yield from (Piece(span, None, path, stored.identity) for span in cutter.finish())
    else:
        for chunk in chunks.cut(contents(stored, file.form, block), *limits, begin):
            yield Piece(chunk.span, chunk.data, path, stored.identity)
