"""What a back end of the SmartCache is: one protocol, whatever keeps the values."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from calib.smartcache.entry import CachedEntry, Draft, Tag


@dataclass(slots=True)
class Ticket:
    """The right to store what a compute that begins now will bring.

    Parameters
    ----------
    key, tags
        What it is for.
    as_of_ns
        Monotonic time at which the compute begins.
    fence
        Number of the compute; a later one has a greater one.
    token
        Owner of the lock; empty: no lock is held.
    generations
        What the back end compares when the value is stored.
    usable
        False: the back end could not be asked, or an invalidation struck meanwhile; the value must not be stored.
    """

    key: str
    tags: tuple[Tag, ...]
    as_of_ns: int
    fence: int = 0
    token: str = ""
    generations: tuple[bytes, ...] = ()
    usable: bool = True


class Begun(NamedTuple):
    """The answer to `Backend.begin`: a ticket (compute), an entry (somebody just has), or neither (somebody does)."""

    ticket: Ticket | None = None
    entry: CachedEntry | None = None


class StoreResult(enum.StrEnum):
    """What became of a computed value."""

    STORED = "stored"
    INVALIDATED = "invalidated"
    """It was computed before an invalidation."""
    OVERTAKEN = "overtaken"
    """A compute that began later has stored its value already."""
    LOCK_LOST = "lock_lost"
    """The lease ended before the compute did, and the lock may be another's."""
    UNSTORABLE = "unstorable"
    """The back end cannot hold such a value unchanged."""
    UNAVAILABLE = "unavailable"
    """The back end did not answer."""


class Stored(NamedTuple):
    """The answer to `Backend.store`: what became of the value, and the entry as readers get it."""

    result: StoreResult
    entry: CachedEntry


class Backend(Protocol):
    """Keeps values. No method raises because of what is behind it: a failure is counted and answered as a miss."""

    name: str

    @property
    def hot(self) -> Mapping[str, CachedEntry]:
        """Entries that can be had without waiting: each may be served as it is until its ``quiet_until_ns``."""
        ...

    def touch(self, key: str) -> object:
        """Say that an entry of ``hot`` was used."""
        ...

    @property
    def connected(self) -> bool:
        """Whether what is behind it answered last time."""
        ...

    async def read(self, cache_key: str) -> CachedEntry | None:
        """The entry, or None."""
        ...

    async def begin(self, cache_key: str, tags: tuple[Tag, ...], seen_fence: int, *, locked: bool) -> Begun:
        """A compute is about to begin.

        Parameters
        ----------
        cache_key, tags
            What for.
        seen_fence
            Fence of the entry that the decision to compute was based on, 0 without one: a newer entry is the answer.
        locked
            Whether only one process may; False: compute whatever others do.
        """
        ...

    async def renew(self, ticket: Ticket) -> bool:
        """Keep the lock for another lease; False where it is lost."""
        ...

    async def store(self, ticket: Ticket, draft: Draft) -> Stored:
        """Store what the compute brought, unless the ticket is void, and release the lock."""
        ...

    async def release(self, ticket: Ticket) -> None:
        """The compute failed: let another try."""
        ...

    async def invalidate(self, tags: Sequence[Tag]) -> int | None:
        """Drop every key with one of the tags and void the tickets of such keys; how many values went.

        None where what is behind did not answer: then it is done as soon as it does, and nothing is served before.
        """
        ...

    async def delete(self, cache_key: str) -> bool | None:
        """Drop one key and void its tickets; whether there was a value, None as in `invalidate`."""
        ...

    async def clear(self) -> None:
        """Drop everything of this environment and version."""
        ...

    def forget(self) -> None:
        """Drop at once what this process keeps in memory, and void its tickets."""
        ...

    def ping(self) -> bool:
        """Ask what is behind, from plain code; may block for as long as its timeout."""
        ...

    def counts(self) -> dict[str, Any]:
        """Its counters."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...
