"""The tasks of a Dask worker. Arguments and results are bytes, so that only the name of a function is pickled."""

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
"""Answer of a worker that cannot read the bytes: the file does not exist there, or has other bytes."""


class RemoteRequest(msgspec.Struct, frozen=True, array_like=True):
    """A piece to decode, possibly on another machine.

    Parameters
    ----------
    data
        Bytes of the piece; None if they are read from ``path``, the bytes of an absolute file name.
    checksum
        CRC-32 that the bytes read from ``path`` must have. Device and inode identify a file on one machine only.
    """

    plan: ColumnPlan
    span: ByteSpan
    data: bytes | None
    path: bytes | None = None
    checksum: int = 0


class _Kept(threading.local):
    """The packer of the last plan. It is kept because it has learned names for the other pieces of the file."""

    plan: ColumnPlan | None = None
    packer: Packer | None = None


_kept = _Kept()


def version() -> str:
    """Return the version of calib in this process."""
    return __version__


def decode(request: bytes) -> bytes:
    """Decode a piece from an encoded `RemoteRequest`; return an encoded `Answer`, or `NOT_READ`."""
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
