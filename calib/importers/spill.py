"""External sort of byte strings: what exceeds the memory limit is written to an anonymous temporary file.

Recordings are nearly sorted. So only the lower half of the held strings is written at a time: a late line still sorts
into the half in memory, and the written strings form one long run that needs no merge.
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
"""Default memory limit."""
OVERHEAD_BYTES: Final = 64
"""Memory of a byte string beside its content: object header, list slot, rounding of the allocator."""
FAN_IN: Final = 64
"""Runs of one merge level; before another is added they are merged into one run of the next level."""
_BLOCK: Final = 1 << 16
_WRITTEN_AT_ONCE: Final = 1 << 20
_LENGTH: Final = 4


class Scratch:
    """The memory limit and the temporary file that any number of `Sorted` share.

    Parameters
    ----------
    directory
        Directory of the file, which is created when needed; None: the system's directory for temporary files.
    held_bytes
        Memory limit, bytes, at least 1.

    Raises
    ------
    calib.errors.UnwritableOutput
        From `add` and from iteration: where the file cannot be written, or the disk is full.
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
        """Close the file; spilled entries are lost."""
        self._file.close()

    def sorted(self) -> Sorted:
        """Return a new, empty `Sorted`."""
        member = Sorted(self)
        self._members.append(member)
        return member

    def adjust_held(self, size: int) -> None:
        """Add ``size`` to the bytes held, or subtract if negative; above the limit, spill lower halves."""
        self._held += size
        if self._held <= self._limit:
            return
        # Spilling down to half the limit bounds how often each byte string is sorted again.
        while self._held > self._limit // 2:
            for member in self._members:
                self._held -= member.spill_half()

    def detach(self, member: Sorted) -> None:
        """Remove a `Sorted` that was cleared."""
        self._members.remove(member)

    def write(self, entries: Iterable[bytes]) -> tuple[int, int]:
        """Append the entries to the file; return the offsets where they begin and end."""
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
        """Yield the entries between two offsets of the file."""
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
    """Sorted entries, stored in pieces of the file."""

    first: bytes
    last: bytes
    pieces: list[tuple[int, int]] = field(default_factory=list)

    def append(self, begin: int, end: int) -> None:
        if self.pieces and self.pieces[-1][1] == begin:
            begin, _ = self.pieces.pop()
        self.pieces.append((begin, end))


class Sorted:
    """Byte strings, added in any order and iterated in sorted order, repeatedly; made by `Scratch.sorted`.

    >>> with Scratch(held_bytes=1) as scratch:  # so small that everything is spilled
    ...     words = scratch.sorted()
    ...     for word in (b"b", b"c", b"a", b"b"):
    ...         words.add(word)
    ...     list(words)
    [b'a', b'b', b'b', b'c']
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._held: list[bytes] = []
        self._levels: list[list[_Run]] = [[]]
        """Runs by merge level: a run of one level is merged from `FAN_IN` runs of the level below."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, entry: bytes) -> None:
        """Add an entry."""
        self._held.append(entry)
        self._count += 1
        self._scratch.adjust_held(len(entry) + OVERHEAD_BYTES)

    def __iter__(self) -> Iterator[bytes]:
        # Spilling during iteration does not change the result: it replaces `_held`, and the pieces are copied.
        self._held.sort()
        return self._merged([run for runs in self._levels for run in runs], self._held)

    def clear(self) -> None:
        """Drop all entries; none can be added afterwards."""
        self._scratch.adjust_held(-_cost(self._held))
        self._scratch.detach(self)
        self._held, self._levels, self._count = [], [[]], 0

    def spill_half(self) -> int:
        """Write the lower half of the held entries to the file; return the bytes freed."""
        self._held.sort()
        cut = (len(self._held) + 1) // 2
        early, self._held = self._held[:cut], self._held[cut:]
        if early:
            run = self._run_for(early)
            run.append(*self._scratch.write(early))
            run.last = early[-1]
        return _cost(early)

    def _run_for(self, entries: Sequence[bytes]) -> _Run:
        """Return the newest run if the entries continue it, else a new one."""
        lowest = self._levels[0]
        if lowest and lowest[-1].last <= entries[0]:
            return lowest[-1]
        self._merge_if_full(0)
        run = _Run(entries[0], entries[-1])
        self._levels[0].append(run)
        return run

    def _merge_if_full(self, level: int) -> None:
        """Merge the `FAN_IN` runs of a full level into one run of the next, which bounds the runs read at once."""
        runs = self._levels[level]
        if len(runs) < FAN_IN:
            return
        if level + 1 == len(self._levels):
            self._levels.append([])
        self._merge_if_full(level + 1)
        merged = _Run(min(run.first for run in runs), max(run.last for run in runs))
        merged.append(*self._scratch.write(self._merged(runs, ())))
        self._levels[level + 1].append(merged)
        self._levels[level] = []

    def _merged(self, runs: Iterable[_Run], held: Sequence[bytes]) -> Iterator[bytes]:
        """Iterate over all entries in order; runs that do not overlap are chained, only the others are merged."""
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
