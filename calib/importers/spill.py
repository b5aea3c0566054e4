"""Byte strings put in order by a sort that leaves memory when it must: what does not fit lies in a file without a name.

Recordings come nearly in order. So only the earlier half of what is held is written out at a time: a line that comes
late still finds its place in the half that stayed, and what was written grows into one long run that needs no merging.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Final

from calib.files import AnonymousTempFile

HELD_BYTES: Final = 64 << 20
"""Held in memory, unless told otherwise."""
OVERHEAD_BYTES: Final = 64
"""What a byte string costs beside its content: its header, its place in a list, the rounding of the allocator."""
FAN_IN: Final = 64
"""Runs of one size; one more, and they become one run of the next size."""
_BLOCK: Final = 1 << 16
_WRITTEN_AT_ONCE: Final = 1 << 20
_LENGTH: Final = 4


class Scratch:
    """The room that any number of `Sorted` share: so many bytes of memory, and one `AnonymousTempFile` for the rest.

    Parameters
    ----------
    directory
        Where the file lies, made once it is needed; None: the system's directory for temporary files.
    held_bytes
        How much is kept in memory, at least 1.

    Raises
    ------
    calib.errors.UnwritableOutput
        From `add` and from reading: where the system refuses, or the disk is full.
    """

    def __init__(self, directory: Path | None = None, held_bytes: int = HELD_BYTES) -> None:
        self._file = AnonymousTempFile(directory)
        self._limit = held_bytes
        self._held = 0
        self._members: list[Sorted] = []

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; what was spilled is gone."""
        self._file.close()

    def sorted(self) -> Sorted:
        """A new, empty one."""
        member = Sorted(self)
        self._members.append(member)
        return member

    def take(self, size: int) -> None:
        """So many bytes more are held, or fewer; where they are too many, the earlier halves are written out."""
        self._held += size
        if self._held <= self._limit:
            return
        # Down to a half: each byte string is then looked at a few times, however many come.
        while self._held > self._limit // 2:
            for member in self._members:
                self._held -= member.spill_half()

    def forget(self, member: Sorted) -> None:
        """It holds nothing any more."""
        self._members.remove(member)

    def write(self, entries: Iterable[bytes]) -> tuple[int, int]:
        """Append the entries to the file; where they begin and end."""
        begin, chunk, size = self._file.size, list[bytes](), 0
        for entry in entries:
            chunk += (len(entry).to_bytes(_LENGTH, "big"), entry)
            size += _LENGTH + len(entry)
            if size >= _WRITTEN_AT_ONCE:
                self._file.append(b"".join(chunk))
                chunk, size = [], 0
        self._file.append(b"".join(chunk))
        return begin, self._file.size

    def read(self, begin: int, end: int) -> Iterator[bytes]:
        """The entries that lie there, one at a time."""
        held = b""
        while begin < end:
            block = self._file.read(begin, min(_BLOCK, end - begin))
            begin += len(block)
            block, at = held + block, 0
            while at + _LENGTH <= len(block):
                stop = at + _LENGTH + int.from_bytes(block[at : at + _LENGTH], "big")
                if stop > len(block):
                    break
                yield block[at + _LENGTH : stop]
                at = stop
            held = block[at:]


@dataclass(slots=True)
class _Run:
    """Entries in order, in pieces of the file."""

    first: bytes
    last: bytes
    pieces: list[tuple[int, int]] = field(default_factory=list)

    def append(self, begin: int, end: int) -> None:
        if self.pieces and self.pieces[-1][1] == begin:
            begin, _ = self.pieces.pop()
        self.pieces.append((begin, end))


class Sorted:
    """Byte strings, added in any order and read in their order, as often as one likes; made by `Scratch.sorted`.

    >>> with Scratch(held_bytes=1) as scratch:  # next to nothing: everything goes through the file
    ...     words = scratch.sorted()
    ...     for word in (b"b", b"c", b"a", b"b"):
    ...         words.add(word)
    ...     list(words)
    [b'a', b'b', b'b', b'c']
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._held: list[bytes] = []
        self._sizes: list[list[_Run]] = [[]]
        """Runs by their size: those of one place are merged from `FAN_IN` of the place before."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, entry: bytes) -> None:
        """Take one more."""
        self._held.append(entry)
        self._count += 1
        self._scratch.take(len(entry) + OVERHEAD_BYTES)

    def __iter__(self) -> Iterator[bytes]:
        # What is spilled while this is read changes nothing of it: neither the list nor the pieces noted here.
        self._held.sort()
        return self._merged([run for runs in self._sizes for run in runs], self._held)

    def clear(self) -> None:
        """Let go of everything; nothing can be added any more."""
        self._scratch.take(-_cost(self._held))
        self._scratch.forget(self)
        self._held, self._sizes, self._count = [], [[]], 0

    def spill_half(self) -> int:
        """Write the earlier half of what is held to the file; the bytes that this freed."""
        self._held.sort()
        cut = (len(self._held) + 1) // 2
        early, self._held = self._held[:cut], self._held[cut:]
        if early:
            run = self._run_for(early)
            run.append(*self._scratch.write(early))
            run.last = early[-1]
        return _cost(early)

    def _run_for(self, entries: Sequence[bytes]) -> _Run:
        """The newest run where they continue it, else a new one."""
        newest = self._sizes[0]
        if newest and newest[-1].last <= entries[0]:
            return newest[-1]
        self._make_room(0)
        run = _Run(entries[0], entries[-1])
        self._sizes[0].append(run)
        return run

    def _make_room(self, size: int) -> None:
        """Where there are `FAN_IN` runs of a size, make them one of the next: so few are ever open at once."""
        runs = self._sizes[size]
        if len(runs) < FAN_IN:
            return
        if size + 1 == len(self._sizes):
            self._sizes.append([])
        self._make_room(size + 1)
        whole = _Run(min(run.first for run in runs), max(run.last for run in runs))
        whole.append(*self._scratch.write(self._merged(runs, ())))
        self._sizes[size + 1].append(whole)
        self._sizes[size] = []

    def _merged(self, runs: Iterable[_Run], held: Sequence[bytes]) -> Iterator[bytes]:
        """Everything in order; runs that follow one another are read one after another, not compared."""
        parts = [(run.first, run.last, self._read(tuple(run.pieces))) for run in runs]
        if held:
            parts.append((held[0], held[-1], iter(held)))
        rows: list[tuple[bytes, list[Iterator[bytes]]]] = []
        for first, last, entries in sorted(parts, key=lambda part: part[0]):
            place = next((at for at, (end, _) in enumerate(rows) if end <= first), None)
            if place is None:
                rows.append((last, [entries]))
            else:
                rows[place] = (last, [*rows[place][1], entries])
        streams = [chain.from_iterable(row) for _, row in rows]
        return streams[0] if len(streams) == 1 else heapq.merge(*streams)

    def _read(self, pieces: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        for begin, end in pieces:
            yield from self._scratch.read(begin, end)


def _cost(entries: Sequence[bytes]) -> int:
    return sum(map(len, entries)) + OVERHEAD_BYTES * len(entries)
