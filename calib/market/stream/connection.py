"""One socket's signs of life, shared by every stream that it carries."""

from __future__ import annotations


class Connection:
    """When a connection last said anything.

    Parameters
    ----------
    name
        Of the connection, for people.
    silence_ns
        A longer silence makes the books it carries suspect.

    Any frame counts, pings and those of other symbols too: a quiet market on a live connection is not stale.

    >>> connection = Connection("spot", silence_ns=300)
    >>> connection.alive(1_000); connection.alive(1_200)
    >>> connection.age_ns(1_500), connection.silent(1_500), connection.silent(1_501)
    (300, False, True)
    >>> connection.alive(2_000)
    >>> connection.silence_ended_ns, connection.silences
    (2000, 1)
    """

    __slots__ = ("alive_ns", "name", "silence_ended_ns", "silence_ns", "silences")

    def __init__(self, name: str, *, silence_ns: int) -> None:
        self.name = name
        self.silence_ns = silence_ns
        self.alive_ns: int | None = None
        self.silence_ended_ns: int | None = None
        self.silences = 0

    def alive(self, now_ns: int) -> None:
        """A frame arrived; O(1) however many streams the connection carries."""
        if self.alive_ns is not None and now_ns - self.alive_ns > self.silence_ns:
            # Remembered, not only measured: otherwise the first ping after a silence would whitewash a book
            # whose deltas may have been lost in it.
            self.silence_ended_ns = now_ns
            self.silences += 1
        self.alive_ns = now_ns

    def age_ns(self, now_ns: int) -> int | None:
        """Time since the last sign of life; None before the first."""
        return None if self.alive_ns is None else now_ns - self.alive_ns

    def silent(self, now_ns: int) -> bool:
        """Whether it has been silent for longer than allowed, or has never said anything."""
        return self.alive_ns is None or now_ns - self.alive_ns > self.silence_ns
