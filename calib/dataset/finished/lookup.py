"""Whether an entry speaks of the file that is there now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from calib.dataset.finished.entry import FORMAT, BookUse, DayHeader, StoredEntry
from calib.dataset.finished.identity import FileIdentity, sha256_of
from calib.feeds.reading.days import DayFile


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file of feeds before it is read.

    Parameters
    ----------
    file, identity
        The file, and what it is now.
    newest
        Whether it is the newest day of its kind: a writer may be at it.
    """

    file: DayFile
    identity: FileIdentity
    newest: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is known of a file and its entry.

    Parameters
    ----------
    name, key
        Of the entry.
    now, books
        The file and the books that its markouts come from; ``now`` is None where it is not worth an entry.
    entry
        What can be used; None where the file is to be read from its beginning.
    grown
        Whether the entry ends before the file does, or its last line is to be judged again.
    """

    name: str
    key: str
    now: KnownFile | None
    books: tuple[KnownFile, ...] = ()
    entry: StoredEntry[DayHeader] | None = None
    grown: bool = False

    @property
    def stale_identity(self) -> bool:
        """Whether only the hash proved that the content is the entry's: the stored identity must be updated."""
        if self.entry is None or self.now is None or self.grown or not self.now.identity.settled:
            return False
        uses = self.entry.header.books
        return not self.entry.header.identity.proves(self.now.identity) or any(
            book.identity.settled and not use.identity.proves(book.identity)
            for use, book in zip(uses, self.books, strict=False)
        )

    def current(self) -> DayHeader:
        """The entry's header with today's identities."""
        assert self.entry is not None
        assert self.now is not None
        header = self.entry.header
        books = [
            msgspec.structs.replace(use, identity=book.identity)
            for use, book in zip(header.books, self.books, strict=False)
        ]
        return msgspec.structs.replace(header, identity=self.now.identity, books=books)


def judged(look: Lookup, entry: StoredEntry[DayHeader], *, verify: bool) -> Lookup:
    """The look-up with the entry, as far as that can be used.

    Parameters
    ----------
    verify
        Whether to hash whole files where their identity would do.

    Raises
    ------
    OSError
        Where a file cannot be read.
    """
    header, now = entry.header, look.now
    assert now is not None
    fits = header.format == FORMAT and header.key == look.key and books_hold(header, look.books, verify=verify)
    if not fits:
        return look
    whole = _is_whole(header, now, verify=verify)
    if whole and not (header.unended and header.newest != now.newest):
        return _with(look, entry, grown=False)
    # The sha256 of all that was read is compared while the file is read on; this only spares a vain attempt.
    longer = now.identity.size >= header.stats.bytes
    grown = whole or (longer and header.identity.may_begin(now.identity, now.file.local))
    return _with(look, entry, grown=True) if grown and header.state is not None else look


def _with(look: Lookup, entry: StoredEntry[DayHeader], *, grown: bool) -> Lookup:
    return Lookup(look.name, look.key, look.now, look.books, entry, grown)


def _is_whole(header: DayHeader, now: KnownFile, *, verify: bool) -> bool:
    """Whether the file is what was read."""
    if header.identity.proves(now.identity) and not verify:
        return True
    if header.stats.bytes != now.identity.size or not header.identity.same_ends(now.identity):
        return False
    return sha256_of(now.file.local, 0, now.identity.size) == header.stats.sha256


def books_hold(header: DayHeader, books: Sequence[KnownFile], *, verify: bool) -> bool:
    """Whether the books are as they were when the markouts were computed from them."""
    if not header.books:
        return not books or not header.stats.used  # without fills no book is read
    if [use.file for use in header.books] != [book.file.name for book in books]:
        return False
    return all(_holds(use, book, verify=verify) for use, book in zip(header.books, books, strict=True))


def _holds(use: BookUse, book: KnownFile, *, verify: bool) -> bool:
    if use.stats is not None and use.newest != book.newest:
        return False  # its last line may be judged otherwise
    if use.identity.proves(book.identity) and not verify:
        return True
    if book.identity.size < use.begin or (use.ended and book.identity.size != use.begin):
        return False
    return sha256_of(book.file.local, 0, use.begin) == use.sha256
