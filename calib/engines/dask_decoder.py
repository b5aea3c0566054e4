"""Decode pieces of feed files by the workers of a Dask cluster."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec

from calib.engines.dask_tasks import NOT_READ, RemoteRequest, decode
from calib.engines.messages import Answer
from calib.errors import UnreadableInput
from calib.feeds.reading.packing import ColumnPlan, Packed, Packer
from calib.feeds.reading.pieces import Piece, packed

T = TypeVar("T")


class TaskRunner(Protocol):
    """Runner of tasks from bytes to bytes, see `calib.engines.dask_cluster.DaskCluster.run`."""

    def run(
        self, task: Callable[[bytes], bytes], requests: Iterable[tuple[T, bytes]]
    ) -> Iterator[tuple[T, bytes | Exception]]: ...


class DaskDecoder:
    """Decodes pieces on a cluster in order, a limited number at a time.

    For a plain file, a worker receives the position and the checksum of the bytes and reads them itself. If it cannot
    read the file or finds other bytes there, the piece is decoded in this process, and later pieces are sent with their
    bytes. A piece whose task failed is decoded in this process too, which raises the original error.
    """

    remote = False
    """The pieces must have their bytes, as the checksums are computed here."""

    def __init__(self, cluster: TaskRunner) -> None:
        self._cluster = cluster
        self._send_bytes = False

    def run(self, plan: ColumnPlan, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Packed]]:
        here = Packer(plan)
        for sent, answer in self._cluster.run(decode, (self._request(plan, piece) for piece in pieces)):
            if isinstance(answer, bytes) and answer != NOT_READ:
                yield sent.piece, msgspec.msgpack.decode(answer, type=Answer).packed
                continue
            if answer == NOT_READ:
                self._send_bytes = True
                sent.check()
            yield sent.piece, packed(here, sent.piece)

    def _request(self, plan: ColumnPlan, piece: Piece) -> tuple[_Sent, bytes]:
        """Return the part of a piece that is kept in this process, and the request that is sent."""
        if piece.path is None or piece.data is None or piece.span.oversized or self._send_bytes:
            request = RemoteRequest(plan, piece.span, piece.content())
            return _Sent(piece), msgspec.msgpack.encode(request)
        checksum = zlib.crc32(piece.data)
        request = RemoteRequest(plan, piece.span, None, os.fsencode(piece.path.absolute()), checksum)
        kept = Piece(piece.span, None, piece.path, piece.identity)
        return _Sent(kept, checksum), msgspec.msgpack.encode(request)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A piece that a worker decodes, and the checksum of its bytes if these are not kept."""

    piece: Piece
    checksum: int | None = None

    def check(self) -> None:
        """Check that the file still has the bytes that were read from it.

        Raises
        ------
        calib.errors.UnreadableInput
            If it was rewritten in the meantime.
        """
        if self.checksum is not None and zlib.crc32(self.piece.content()) != self.checksum:
            raise UnreadableInput(
                "was changed while it was read", where=str(self.piece.path), hint="Run again when nobody rewrites it"
            )
