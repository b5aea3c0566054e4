"""Cutting a stream of bytes into bounded pieces of whole lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

CHUNK: Final = 2 << 20
"""Bytes of a chunk, about; only a longer line makes a larger one."""
MAX_LINE: Final = 256 << 20
"""Bytes past which, about, a line is not held in memory: it is a ``bad_json`` whose beginning is kept."""
_BOM: Final = b"\xef\xbb\xbf"
_HEAD: Final = 4096


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines, one after the other.

    Parameters
    ----------
    data
        The lines with their newlines; of an oversized line only the beginning.
    offset
        Where they begin in the content, bytes.
    unended
        True for the last line of the content where no newline ends it; it stands alone.
    oversized
        True for a line longer than the limit; it stands alone.
    """

    data: bytes
    offset: int
    unended: bool = False
    oversized: bool = False


def cut(blocks: Iterable[bytes], size: int = CHUNK, max_line: int = MAX_LINE) -> Iterator[Chunk]:
    """Cut blocks of any sizes into chunks of whole lines; a byte-order mark at the very beginning is left out.

    >>> [chunk.data for chunk in cut([b"one\\ntw", b"o\\nthr", b"ee"], size=4)]
    [b'one\\n', b'two\\n', b'three']
    """
    offset = 0
    for data, unended, total in _pieces(blocks, size, max_line):
        skipped = len(_BOM) if offset == 0 and data.startswith(_BOM) else 0
        body = data[skipped:] if skipped else data
        if body:
            yield Chunk(body, offset + skipped, unended, total != len(data))
        offset += total


def _pieces(blocks: Iterable[bytes], size: int, max_line: int) -> Iterator[tuple[bytes, bool, int]]:
    """(whole lines, whether unended, their true length); the length differs only for an oversized line."""
    held: list[bytes] = []
    length = 0
    one_line = True
    """Whether what is held is known to lie within one line."""
    for block in blocks:
        rest = block
        if length > max_line:
            end = rest.find(b"\n") + 1
            if not end:
                length += len(rest)
                continue
            yield held[0], False, length + end
            held, length, one_line, rest = [], 0, True, rest[end:]
        held.append(rest)
        length += len(rest)
        if length < size:
            one_line = False
            continue
        if not (end := rest.rfind(b"\n") + 1) and not one_line:
            held = [rest := b"".join(held)]
            end = rest.rfind(b"\n") + 1
        if end:
            held[-1] = rest[:end]
            yield b"".join(held), False, length - len(rest) + end
            held, length = [rest[end:]], len(rest) - end
        one_line = True
        if length > max_line:
            held = [b"".join(held)[:_HEAD]]
    if length > max_line:
        yield held[0], True, length
    elif length:
        yield from _at_the_end(b"".join(held))


def _at_the_end(data: bytes) -> Iterator[tuple[bytes, bool, int]]:
    end = data.rfind(b"\n") + 1
    if end:
        yield data[:end], False, end
    if end < len(data):
        yield data[end:], True, len(data) - end
