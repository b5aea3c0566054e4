"""Decide whether an entry is valid for the current content of its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from calib.dataset.finished.entry import FORMAT, BookUse, DayHeader, StoredEntry
from calib.dataset.finished.identity import FileIdentity, sha256_of
from calib.feeds.reading.days import DayFile


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A feed file before it is read.

    Parameters
    ----------
    file, identity
        The file and its current identity.
    newest
        Whether it is the newest day of its kind, which may still be written.
    """

    file: DayFile
    identity: FileIdentity
    newest: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """A file and its entry.

    Parameters
    ----------
    name, key
        Name and key of the entry.
    now, books
        The file, and the books that its markouts need. ``now`` is None if the file gets no entry.
    entry
        The valid entry; None if the file has to be read from its beginning.
    grown
        Whether the file is longer than at the time of the entry, or its last line has to be validated again.
    """

    name: str
    key: str
    now: KnownFile | None
    books: tuple[KnownFile, ...] = ()
    entry: StoredEntry[DayHeader] | None = None
    grown: bool = False

    @property
    def stale_identity(self) -> bool:
        """Whether only the hash proved that the content is unchanged, so the stored identities must be updated."""
        if self.entry is None or self.now is None or self.grown or not self.now.identity.settled:
            return False
        uses = self.entry.header.books
        return not self.entry.header.identity.proves(self.now.identity) or any(
            book.identity.settled and not use.identity.proves(book.identity)
            for use, book in zip(uses, self.books, strict=False)
        )

    def current(self) -> DayHeader:
        """Return the entry's header with the current identities of the files."""
        assert self.entry is not None
        assert self.now is not None
        header = self.entry.header
        books = [
            msgspec.structs.replace(use, identity=book.identity)
            for use, book in zip(header.books, self.books, strict=False)
        ]
        return msgspec.structs.replace(header, identity=self.now.identity, books=books)


def judged(look: Lookup, entry: StoredEntry[DayHeader], *, verify: bool) -> Lookup:
    """Return the look-up with the entry if the entry is valid, else without it.

    Parameters
    ----------
    verify
        Whether to hash whole files even if their identity proves that they are unchanged.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    header, now = entry.header, look.now
    assert now is not None
    fits = header.format == FORMAT and header.key == look.key and books_hold(header, look.books, verify=verify)
    if not fits:
        return look
    whole = _is_whole(header, now, verify=verify)
    if whole and not (header.unended and header.newest != now.newest):
        return _with(look, entry, grown=False)
    # Continuing the reading compares the sha256 of all bytes read before. This check only avoids useless attempts.
    longer = now.identity.size >= header.stats.bytes
    grown = whole or (longer and header.identity.may_begin(now.identity, now.file.local))
    return _with(look, entry, grown=True) if grown and header.state is not None else look


def _with(look: Lookup, entry: StoredEntry[DayHeader], *, grown: bool) -> Lookup:
    return Lookup(look.name, look.key, look.now, look.books, entry, grown)


def _is_whole(header: DayHeader, now: KnownFile, *, verify: bool) -> bool:
    """Whether the file has the content that was read."""
    if header.identity.proves(now.identity) and not verify:
        return True
    if header.stats.bytes != now.identity.size or not header.identity.same_ends(now.identity):
        return False
    return sha256_of(now.file.local, 0, now.identity.size) == header.stats.sha256


def books_hold(header: DayHeader, books: Sequence[KnownFile], *, verify: bool) -> bool:
    """Whether the books have not changed since the markouts were computed from them."""
    if not header.books:
        return not books or not header.stats.used  # no book is read if there are no fills
    if [use.file for use in header.books] != [book.file.name for book in books]:
        return False
    return all(_holds(use, book, verify=verify) for use, book in zip(header.books, books, strict=True))


def _holds(use: BookUse, book: KnownFile, *, verify: bool) -> bool:
    if use.stats is not None and use.newest != book.newest:
        return False  # an incomplete last line is handled differently in the newest file
    if use.identity.proves(book.identity) and not verify:
        return True
    if book.identity.size < use.begin or (use.ended and book.identity.size != use.begin):
        return False
    return sha256_of(book.file.local, 0, use.begin) == use.sha256
