"""The health of one connection, shared by all its streams."""

from __future__ import annotations

from calib.policy.connection import ConnectionHealth


class Connection(ConnectionHealth):
    """A connection of the streams: the policy's health object, with frame numbers.

    Attributes
    ----------
    last_number
        The number of the newest frame, if the venue numbers the frames of a connection (rule ``connection``).
    """

    __slots__ = ("last_number",)

    def __init__(self, name: str, *, silence_ns: int) -> None:
        super().__init__(name, silence_ns=silence_ns)
        self.last_number: int | None = None

    def connected(self, now_ns: int) -> None:
        """Record a connect or reconnect: frame numbers start over."""
        self.last_number = None
        super().connected(now_ns)

    def number(self, sequence: int) -> bool:
        """Record the number of a frame.

        Returns
        -------
        bool
            False if a frame before it is missing, or the number went back: no book of the connection can be trusted. A
            frame may hold several messages, so an equal number is accepted.

        >>> connection = Connection("all", silence_ns=1)
        >>> [connection.number(sequence) for sequence in (7, 8, 8, 10, 11)]
        [True, True, True, False, True]
        """
        last, self.last_number = self.last_number, sequence
        return last is None or sequence in (last, last + 1)
