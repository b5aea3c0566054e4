"""What a Dask worker runs: plain bytes in, plain bytes out, so that only the name of a function is pickled."""

from __future__ import annotations

import os
import threading
import zlib
from pathlib import Path

import msgspec

from calib._version import __version__
from calib.engines.messages import Answer
from calib.errors import UnreadableInput
from calib.feeds.reading.chunks import ByteSpan, without_mark
from calib.feeds.reading.packing import ColumnPlan, Packer
from calib.feeds.reading.pieces import Piece, packed
from calib.storage import source_of

NOT_READ = b""
"""The answer of a worker that cannot read those bytes from the file: it does not see it, or sees another one."""


class RemoteRequest(msgspec.Struct, frozen=True, array_like=True):
    """One piece to decode on a machine that may be another one.

    Parameters
    ----------
    data
        Its bytes; None where ``path``, the bytes of an absolute file name, tells where to read them.
    checksum
        CRC-32 of what must be read there. Device and inode numbers, which tell a replaced file on one machine, say
        nothing on another.
    """

    plan: ColumnPlan
    span: ByteSpan
    data: bytes | None
    path: bytes | None = None
    checksum: int = 0


class _Kept(threading.local):
    """The packer of the last plan: what it has learned of a file serves the file's other pieces."""

    plan: ColumnPlan | None = None
    packer: Packer | None = None


_kept = _Kept()


def version() -> str:
    """The version of calib that this process runs."""
    return __version__


def decode(request: bytes) -> bytes:
    """The columns of one piece: a `RemoteRequest` comes, an `Answer` or `NOT_READ` goes."""
    asked = msgspec.msgpack.decode(request, type=RemoteRequest)
    data = asked.data if asked.path is None else _read(asked, Path(os.fsdecode(asked.path)))
    if data is None:
        return NOT_READ
    if _kept.packer is None or _kept.plan != asked.plan:
        _kept.plan, _kept.packer = asked.plan, Packer(asked.plan)
    return msgspec.msgpack.encode(Answer.of(packed(_kept.packer, Piece(asked.span, data))))


def _read(asked: RemoteRequest, path: Path) -> bytes | None:
    try:
        data = without_mark(source_of(path).read_range(path, None, asked.span.offset, asked.span.size), asked.span)
    except UnreadableInput:
        return None
    return data if zlib.crc32(data) == asked.checksum else None
