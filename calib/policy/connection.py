"""The health of a connection: one object that caches, readers and metrics share."""

from __future__ import annotations

import enum


class ConnectionState(enum.StrEnum):
    """What a connection's frames say of it."""

    NEW = "new"
    """No frame yet."""
    UP = "up"
    """Frames arrive."""
    SILENT = "silent"
    """No frame for longer than allowed."""
    DOWN = "down"
    """Disconnected, and not connected since."""


class ConnectionHealth:
    """When a connection last said anything, and what it has been through.

    Any frame counts, pings and those of other symbols too: a quiet market on a live connection is not stale. The
    caller says what time it is.

    Parameters
    ----------
    name
        Of the connection.
    silence_ns
        A longer silence makes what the connection carries suspect, nanoseconds.

    Attributes
    ----------
    alive_ns
        Time of the last frame, monotonic ns; None before the first.
    silence_ended_ns, silences
        When the last silence ended, monotonic ns, and how many there were.
    gaps
        Losses of continuity in the streams that it carries.
    reconnects
        Times that it was connected again.

    >>> health = ConnectionHealth("spot", silence_ns=300)
    >>> health.state(0).value
    'new'
    >>> health.alive(1_000); health.alive(1_200)
    >>> health.age_ns(1_500), health.silent(1_500), health.silent(1_501), health.state(1_501).value
    (300, False, True, 'silent')
    >>> health.alive(2_000)
    >>> health.silence_ended_ns, health.silences
    (2000, 1)
    >>> health.disconnected(); health.state(2_000).value
    'down'
    >>> health.connected(2_100); health.state(2_100).value, health.reconnects
    ('up', 1)
    """

    __slots__ = ("_down", "alive_ns", "gaps", "name", "reconnects", "silence_ended_ns", "silence_ns", "silences")

    def __init__(self, name: str, *, silence_ns: int) -> None:
        self.name = name
        self.silence_ns = silence_ns
        self.alive_ns: int | None = None
        self.silence_ended_ns: int | None = None
        self.silences = 0
        self.gaps = 0
        self.reconnects = 0
        self._down = False

    def alive(self, now_ns: int) -> None:
        """A frame arrived; O(1) however many streams the connection carries."""
        if self.alive_ns is not None and now_ns - self.alive_ns > self.silence_ns:
            # Remembered, not only measured: else the first ping after a silence would make a book fresh whose deltas
            # may have been lost in it.
            self.silence_ended_ns = now_ns
            self.silences += 1
        self.alive_ns = now_ns

    def connected(self, now_ns: int) -> None:
        """It was connected, for the first time or again."""
        if self._down or self.alive_ns is not None:
            self.reconnects += 1
        self._down = False
        self.alive(now_ns)

    def disconnected(self) -> None:
        """It is gone until `connected`."""
        self._down = True

    def lost_continuity(self) -> None:
        """A stream that it carries has lost messages."""
        self.gaps += 1

    def age_ns(self, now_ns: int) -> int | None:
        """Time since the last frame; None before the first."""
        return None if self.alive_ns is None else now_ns - self.alive_ns

    def silent(self, now_ns: int) -> bool:
        """Whether it has been silent for longer than allowed, or has never said anything."""
        return self.alive_ns is None or now_ns - self.alive_ns > self.silence_ns

    def state(self, now_ns: int) -> ConnectionState:
        """What its frames say of it now."""
        if self._down:
            return ConnectionState.DOWN
        if self.alive_ns is None:
            return ConnectionState.NEW
        return ConnectionState.SILENT if self.silent(now_ns) else ConnectionState.UP
