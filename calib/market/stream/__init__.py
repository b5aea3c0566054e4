"""Building a verified book from a stream of messages: messages, sequence rules, resync, checksums.

The names below are loaded on first use: the command line needs only the settings.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOME = {
    "Action": "calib.market.stream.messages",
    "Backoff": "calib.market.stream.backoff",
    "BookStream": "calib.market.stream.book_stream",
    "Connection": "calib.market.stream.connection",
    "Delta": "calib.market.stream.messages",
    "Failed": "calib.market.stream.messages",
    "Invalidated": "calib.market.stream.messages",
    "KrakenChecksum": "calib.market.stream.checksum",
    "OkxChecksum": "calib.market.stream.checksum",
    "Outcome": "calib.market.stream.messages",
    "RULES": "calib.market.stream.sequence",
    "Reason": "calib.market.stream.messages",
    "Resync": "calib.market.stream.messages",
    "SequenceVerdict": "calib.market.stream.sequence",
    "Snapshot": "calib.market.stream.messages",
    "StreamSettings": "calib.market.stream.settings",
    "StreamState": "calib.market.stream.messages",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'calib.market.stream' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
