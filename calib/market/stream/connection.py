"""One socket's health, shared by every stream that it carries."""

from __future__ import annotations

from calib.policy.connection import ConnectionHealth


class Connection(ConnectionHealth):
    """A connection as the streams on it see it: the policy's health object, under the name of this room."""

    __slots__ = ()
