"""Read a feed file, plain or compressed, as a stream of bytes. A truncated or damaged file raises an error."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final

import zstandard

from calib.errors import TruncatedInput, UnreadableInput
from calib.feeds.reading.days import Form
from calib.feeds.reading.members import ZSTD_BLOCK, GzipMember, Member, ZstdFrame
from calib.storage import Place, source_of

BLOCK: Final = 1 << 20
"""Target size of a block of content, bytes; no block is larger than twice that.

A zstd frame also needs memory for its window, whose size its writer chose: at most 8 MiB up to level 19.
"""
_STORED_BLOCK: Final = 1 << 18


class StoredFile:
    """The stored bytes of one file or object, counted and hashed while they are read.

    Reading ends at the size that the file had when it was opened. Bytes that are appended later are ignored, so
    ``bytes``, ``sha256`` and the lines describe the same content.

    Raises
    ------
    UnreadableInput
        If it cannot be opened or read.
    """

    def __init__(self, path: Place) -> None:
        self.path = path
        self.bytes = 0
        self._hash = hashlib.sha256()
        self._source = source_of(path).open(path)
        self.size = self._left = self._source.size
        self.identity = self._source.identity

    def __enter__(self) -> StoredFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    @property
    def sha256(self) -> str:
        """The sha256 of the bytes read so far, hexadecimal."""
        return self._hash.hexdigest()

    @property
    def digest(self) -> hashlib._Hash:
        """A copy of the sha256 object of the bytes read so far, which can be updated further."""
        return self._hash.copy()

    def skip(self, size: int) -> None:
        """Read and hash ``size`` bytes without returning them."""
        while size > 0 and (block := self.read(min(size, BLOCK))):
            size -= len(block)

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes; empty at the end."""
        block = self._source.read(min(size, self._left))
        self._take(block)
        return block

    def read_into(self, buffer: bytearray) -> int:
        """Read the next bytes into the beginning of the buffer; return their number, 0 at the end."""
        room = memoryview(buffer)[: min(len(buffer), self._left)]
        size = self._source.readinto(room)
        self._take(room[:size])
        return size

    def fill(self, room: memoryview) -> int:
        """Read like `read_into`, but without hashing: pass the same bytes to `hash_later`, in the same order."""
        size = self._source.readinto(room[: self._left])
        self._count(size)
        return size

    def hash_later(self, block: memoryview) -> None:
        """Hash the next bytes that `fill` read; long blocks are hashed without the interpreter's lock."""
        self._hash.update(block)

    def _take(self, block: bytes | memoryview) -> None:
        self._hash.update(block)
        self._count(len(block))

    def _count(self, size: int) -> None:
        self.bytes += size
        self._left -= size
        if not size and self._left:
            raise UnreadableInput(
                "became shorter while it was read", where=str(self.path), hint="Run again when nobody rewrites it"
            )


def contents(stored: StoredFile, form: Form, block: int = BLOCK) -> Iterator[bytes]:
    """Return the content of the file in blocks, decompressed. Concatenated members or frames are one content.

    Parameters
    ----------
    block
        Size of a block, bytes: the largest for a plain file, the target for a compressed one, whose blocks have at most
        twice as many or 256 KiB.

    Raises
    ------
    TruncatedInput
        If a compressed file ends too early or is damaged.
    """
    match form:
        case Form.PLAIN:
            return _plain(stored, block)
        case Form.GZIP:
            return _decompressed(stored, "gzip", GzipMember, block)
        case Form.ZSTD:
            return _decompressed(stored, "zstd", ZstdFrame, max(block, ZSTD_BLOCK))


def _plain(stored: StoredFile, block: int) -> Iterator[bytes]:
    while piece := stored.read(block):
        yield piece


def _decompressed(stored: StoredFile, name: str, begin: Callable[[], Member], block: int) -> Iterator[bytes]:
    """Yield the content of all members in blocks of at most twice ``block`` bytes.

    The number of bytes read at a time is adapted to the compression ratio so far, so that their content is about one
    block.
    """
    member: Member | None = None
    bite = 4096
    members = 0
    try:
        while stored_block := stored.read(bite):
            rest = stored_block
            given = 0
            while rest:
                if member is None:
                    if members and not rest.strip(b"\0"):
                        break  # some archivers pad with zeros after the last member
                    member, members = begin(), members + 1
                for content in member.feed(rest, 2 * block):
                    given += len(content)
                    yield content
                rest = b""
                if member.ended:
                    rest, member = member.rest, None
            bite = max(1024, min(_STORED_BLOCK, int(len(stored_block) * block / max(given, 1)), 4 * bite))
    except (zlib.error, zstandard.ZstdError) as error:
        raise TruncatedInput(
            f"is damaged: {name} says {error}", where=str(stored.path), hint="Fetch it again from where it was recorded"
        ) from error
    if member is not None or not members:
        raise TruncatedInput(
            f"ends in the middle of its {name} data",
            where=str(stored.path),
            hint="Wait for its copy to end, or fetch it again",
        )
