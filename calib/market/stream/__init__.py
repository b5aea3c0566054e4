"""Building a verified book from a stream of messages: messages, sequence rules, resync, checksums."""

from calib.market.stream.backoff import Backoff
from calib.market.stream.book_stream import BookStream
from calib.market.stream.checksum import KrakenChecksum, OkxChecksum
from calib.market.stream.connection import Connection
from calib.market.stream.messages import (
    Action,
    Delta,
    Failed,
    Invalidated,
    Outcome,
    Reason,
    Resync,
    Snapshot,
    StreamState,
)
from calib.market.stream.sequence import RULES, SequenceVerdict
from calib.market.stream.settings import StreamSettings

__all__ = [
    "RULES",
    "Action",
    "Backoff",
    "BookStream",
    "Connection",
    "Delta",
    "Failed",
    "Invalidated",
    "KrakenChecksum",
    "OkxChecksum",
    "Outcome",
    "Reason",
    "Resync",
    "SequenceVerdict",
    "Snapshot",
    "StreamSettings",
    "StreamState",
]
