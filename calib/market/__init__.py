"""The live book: exact prices, order book, sequence rules, and the stream that builds it."""

from calib.market.backoff import Backoff
from calib.market.book import BookView, OrderBook
from calib.market.checksum import KrakenChecksum, OkxChecksum
from calib.market.connection import Connection
from calib.market.messages import (
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
from calib.market.sequence import RULES, Verdict
from calib.market.stream import BookStream, StreamSettings

__all__ = [
    "RULES",
    "Action",
    "Backoff",
    "BookStream",
    "BookView",
    "Connection",
    "Delta",
    "Failed",
    "Invalidated",
    "KrakenChecksum",
    "OkxChecksum",
    "OrderBook",
    "Outcome",
    "Reason",
    "Resync",
    "Snapshot",
    "StreamSettings",
    "StreamState",
    "Verdict",
]
