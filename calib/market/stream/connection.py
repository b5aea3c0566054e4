"""One socket's health, shared by every stream that it carries."""

from __future__ import annotations

from calib.policy.connection import ConnectionHealth


class Connection(ConnectionHealth):
    """A connection as the streams on it see it: the policy's health object, under the name of this room.

    Attributes
    ----------
    last_number
        Of its newest frame, where the venue counts the frames of a connection (rule ``connection``).
    """

    __slots__ = ("last_number",)

    def __init__(self, name: str, *, silence_ns: int) -> None:
        super().__init__(name, silence_ns=silence_ns)
        self.last_number: int | None = None

    def connected(self, now_ns: int) -> None:
        """It was connected, for the first time or again: its frames are counted from the beginning."""
        self.last_number = None
        super().connected(now_ns)

    def number(self, sequence: int) -> bool:
        """A frame of a venue that counts them.

        Returns
        -------
        bool
            False where a frame before it is missing, or it went back: no book of the connection can be trusted. A
            frame may hold several messages, hence the same number again is fine.

        >>> connection = Connection("all", silence_ns=1)
        >>> [connection.number(sequence) for sequence in (7, 8, 8, 10, 11)]
        [True, True, True, False, True]
        """
        last, self.last_number = self.last_number, sequence
        return last is None or sequence in (last, last + 1)
