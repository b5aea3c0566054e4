"""The protocol of a SmartCache back end."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from calib.smartcache.entry import CachedEntry, Draft, Tag


@dataclass(slots=True)
class Ticket:
    """The permission to store the value of a compute that begins now.

    Parameters
    ----------
    key, tags
        The cache key, and the tags of its value.
    as_of_ns
        Monotonic time at which the compute begins.
    fence
        Fencing number of the compute; a later compute has a greater number.
    token
        Owner token of the lock; empty if no lock is held.
    generations
        Invalidation counters at the start, which the back end compares when the value is stored.
    usable
        False if the back end did not respond or an invalidation has happened since: the value must not be stored.
    """

    key: str
    tags: tuple[Tag, ...]
    as_of_ns: int
    fence: int = 0
    token: str = ""
    generations: tuple[bytes, ...] = ()
    usable: bool = True


class Begun(NamedTuple):
    """The result of `Backend.begin`.

    A ticket: compute. An entry: another caller has just computed it. Neither: another process is computing it.
    """

    ticket: Ticket | None = None
    entry: CachedEntry | None = None


class StoreResult(enum.StrEnum):
    """The result of storing a computed value."""

    STORED = "stored"
    INVALIDATED = "invalidated"
    """Not stored: the compute began before an invalidation."""
    OVERTAKEN = "overtaken"
    """Not stored: a compute that began later has already stored its value."""
    LOCK_LOST = "lock_lost"
    """Not stored: the lease expired during the compute, and another process may hold the lock."""
    UNSTORABLE = "unstorable"
    """Not stored: the back end cannot serialize the value without changing it."""
    UNAVAILABLE = "unavailable"
    """Not stored: the back end did not respond."""


class Stored(NamedTuple):
    """The result of `Backend.store`, and the entry as readers receive it."""

    result: StoreResult
    entry: CachedEntry


class Backend(Protocol):
    """Stores values. No method raises if the storage fails: the failure is counted and the result is a miss."""

    name: str

    @property
    def hot(self) -> Mapping[str, CachedEntry]:
        """Entries that are available without awaiting; each may be served until its ``quiet_until_ns``."""
        ...

    def touch(self, key: str) -> object:
        """Mark an entry of ``hot`` as recently used."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the storage responded to the last command."""
        ...

    async def read(self, cache_key: str) -> CachedEntry | None:
        """Return the entry, or None."""
        ...

    async def begin(self, cache_key: str, tags: tuple[Tag, ...], seen_fence: int, *, locked: bool) -> Begun:
        """Begin a compute.

        Parameters
        ----------
        cache_key, tags
            The key, and the tags of its value.
        seen_fence
            Fence of the entry that led to the decision to compute, 0 without one: a newer entry is returned instead.
        locked
            Whether to take the lock, so that only one process computes; False computes in any case.
        """
        ...

    async def renew(self, ticket: Ticket) -> bool:
        """Renew the lease of the lock; returns False if the lock is lost."""
        ...

    async def store(self, ticket: Ticket, draft: Draft) -> Stored:
        """Store the computed value, unless the ticket is void, and release the lock."""
        ...

    async def release(self, ticket: Ticket) -> None:
        """Release the lock after a failed compute, so that another caller can compute."""
        ...

    async def invalidate(self, tags: Sequence[Tag]) -> int | None:
        """Drop every key with one of the tags and void the tickets of these keys; returns the number of values dropped.

        None if the storage did not respond: the invalidation stays pending and nothing is served until it succeeds.
        """
        ...

    async def delete(self, cache_key: str) -> bool | None:
        """Drop one key and void its tickets; returns whether there was a value, None as in `invalidate`."""
        ...

    async def clear(self) -> None:
        """Drop all entries of this environment and version."""
        ...

    def forget(self) -> None:
        """Drop the entries in this process's memory at once, and void its tickets."""
        ...

    def ping(self) -> bool:
        """Check synchronously whether the storage responds; may block up to its timeout."""
        ...

    def counts(self) -> dict[str, Any]:
        """Return the counters."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
