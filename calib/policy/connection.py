"""The health of a connection, shared by caches, readers and metrics."""

from __future__ import annotations

import enum


class ConnectionState(enum.StrEnum):
    """The state of a connection."""

    NEW = "new"
    """No frame yet."""
    UP = "up"
    """Frames arrive."""
    SILENT = "silent"
    """No frame for longer than allowed."""
    DOWN = "down"
    """Disconnected, and not connected since."""


class ConnectionHealth:
    """The time of a connection's last frame, and counts of silences, gaps and reconnects.

    Every frame counts, including pings and frames of other symbols: a quiet market on a live connection is not stale.
    The caller passes the time.

    Parameters
    ----------
    name
        Name of the connection.
    silence_ns
        Longest allowed time without a frame, ns; after it the connection's data is suspect.

    Attributes
    ----------
    alive_ns
        Time of the last frame, monotonic ns; None before the first.
    silence_ended_ns, silences
        End of the last silence, monotonic ns, and the number of silences.
    gaps
        Number of losses of continuity in its streams.
    reconnects
        Number of reconnects.

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
        """Record a frame; O(1) for any number of streams."""
        if self.alive_ns is not None and now_ns - self.alive_ns > self.silence_ns:
            # Recorded, because otherwise the first ping after a silence would make a book fresh although its deltas
            # may have been lost during the silence.
            self.silence_ended_ns = now_ns
            self.silences += 1
        self.alive_ns = now_ns

    def connected(self, now_ns: int) -> None:
        """Record a connect or reconnect."""
        if self._down or self.alive_ns is not None:
            self.reconnects += 1
        self._down = False
        self.alive(now_ns)

    def disconnected(self) -> None:
        """Record a disconnect; the connection is down until `connected`."""
        self._down = True

    def lost_continuity(self) -> None:
        """Record a loss of messages in one of its streams."""
        self.gaps += 1

    def age_ns(self, now_ns: int) -> int | None:
        """Return the time since the last frame, ns; None before the first."""
        return None if self.alive_ns is None else now_ns - self.alive_ns

    def silent(self, now_ns: int) -> bool:
        """Return whether it had no frame for longer than ``silence_ns``, or never."""
        return self.alive_ns is None or now_ns - self.alive_ns > self.silence_ns

    def state(self, now_ns: int) -> ConnectionState:
        """Return the state at ``now_ns``."""
        if self._down:
            return ConnectionState.DOWN
        if self.alive_ns is None:
            return ConnectionState.NEW
        return ConnectionState.SILENT if self.silent(now_ns) else ConnectionState.UP
