"""Store a whole dataset for runs in which no input file has changed, and the identities of its written files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from calib.dataset.envelope import Envelope, envelope_of
from calib.dataset.finished.directory import EntryDirectory
from calib.dataset.finished.entry import FORMAT, DamagedEntry, DayHeader, EntryHeader, encode, frame_bytes
from calib.dataset.finished.identity import FileIdentity, sha256_of
from calib.dataset.model import DROPPED, INTERVALS, Dataset

MAX_BYTES: Final = 256 << 20
"""Largest size of a stored dataset, bytes of rows. A larger one is assembled from its days in each run."""
_ENVELOPE: Final = [name for name in Envelope.__struct_fields__ if name != "schema"]
_KEPT, _DROPPED = "intervals", "dropped"


class _WholeHeader(EntryHeader, frozen=True, kw_only=True):
    envelope: Envelope
    asked_symbols: tuple[str, ...]
    notes: list[str]


class _Output(msgspec.Struct, frozen=True):
    identity: FileIdentity
    sha256: str


class _OutputsHeader(EntryHeader, frozen=True, kw_only=True):
    files: dict[str, _Output]


def whole_key(asked: str, days: Sequence[DayHeader]) -> str:
    """Return the sha256 of ``asked`` and of everything that determines the rows of each file, as hex."""
    parts: list[Any] = [asked]
    for day in days:
        tail = day.newest and day.unended
        books = [(use.file, use.sha256, use.newest) for use in day.books]
        parts.append((day.key, day.stats.file, day.stats.sha256, tail, books))
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


class WholeDataset:
    """The entry of one dataset, and that of its written files.

    Parameters
    ----------
    entries
        Directory of the entries.
    key
        Result of `whole_key`.
    verify
        Detect changes of written files by their hash, not by size, times, inode, head and tail.
    """

    def __init__(self, entries: EntryDirectory, key: str, *, verify: bool = False) -> None:
        self._entries, self._key, self._verify = entries, key, verify
        self._name, self._outputs_name = f"dataset.{key[:32]}", f"outputs.{key[:32]}"

    def read(self) -> tuple[Dataset, list[str]] | None:
        """Return the stored dataset and its notes; None if there is no valid entry."""
        entry = self._entries.read(self._name, _WholeHeader)
        if entry is None or (entry.header.format, entry.header.key) != (FORMAT, self._key):
            return None
        try:
            kept, dropped = entry.frame(_KEPT, INTERVALS), entry.frame(_DROPPED, DROPPED)
            envelope = {name: getattr(entry.header.envelope, name) for name in _ENVELOPE}
            dataset = Dataset(intervals=kept, dropped=dropped, asked_symbols=entry.header.asked_symbols, **envelope)
        except (DamagedEntry, ValueError):
            return None
        self._entries.touch(self._name)
        return dataset, entry.header.notes

    def keep(self, dataset: Dataset, notes: Sequence[str]) -> None:
        """Store the dataset and its notes, unless its rows are larger than `MAX_BYTES`."""
        if dataset.intervals.estimated_size() + dataset.dropped.estimated_size() > MAX_BYTES:
            return
        header = _WholeHeader(
            format=FORMAT,
            key=self._key,
            envelope=envelope_of(dataset),
            asked_symbols=tuple(dataset.asked_symbols),
            notes=list(notes),
        )
        sections = {_KEPT: frame_bytes(dataset.intervals), _DROPPED: frame_bytes(dataset.dropped)}
        self._entries.write(self._name, encode(header, sections))

    def stands(self, path: Path) -> bool:
        """Whether a file exists and has not changed since it was written from this dataset."""
        known = self._outputs().get(_place(path))
        if known is None:
            return False
        try:
            now = FileIdentity.of(path)
            if known.identity.proves(now) and not self._verify:
                return True
            if not known.identity.same_ends(now) or sha256_of(path, 0, now.size) != known.sha256:
                return False
        except OSError:
            return False
        if now.settled:
            self._note(path, _Output(now, known.sha256))
        return True

    def written(self, path: Path) -> None:
        """Record the identity of a file that was just written from this dataset."""
        try:
            now = FileIdentity.of(path)
            digest = sha256_of(path, 0, now.size)
        except OSError:
            return
        if digest is not None:
            self._note(path, _Output(now, digest))

    def _note(self, path: Path, output: _Output) -> None:
        header = _OutputsHeader(format=FORMAT, key=self._key, files=self._outputs() | {_place(path): output})
        self._entries.write(self._outputs_name, encode(header, {}))

    def _outputs(self) -> dict[str, _Output]:
        entry = self._entries.read(self._outputs_name, _OutputsHeader)
        if entry is None or (entry.header.format, entry.header.key) != (FORMAT, self._key):
            return {}
        self._entries.touch(self._outputs_name)
        return entry.header.files


def _place(path: Path) -> str:
    return str(path.resolve()).encode("utf-8", "surrogateescape").hex()
