"""The settings of a stream: what differs between venues."""

from __future__ import annotations

from dataclasses import dataclass, field

from calib.errors import ConfigError
from calib.market.stream.backoff import Backoff
from calib.market.stream.sequence import RULES


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """The rules of a venue, and the bounds of a resync.

    Parameters
    ----------
    sequence_rule
        ``contiguous``, ``range``, ``previous``, ``rising``, ``connection`` or ``checksum``; see
        `calib.market.stream.sequence`.
    snapshots
        ``rest``: they are fetched. ``stream``: the venue pushes one after every subscription, so the first request
        waits ``snapshot_wait_ms`` for it.
    backoff
        The delays between resync attempts.
    stable_ms
        A book that was LIVE for at least this time resets the backoff when it is lost; one that flaps does not.
    snapshot_wait_ms
        How long to wait for a pushed snapshot after connecting.
    bridge_wait_ms
        How long deltas older than the snapshot are dropped before the snapshot is considered wrong.
    copy_lag_ms
        Longest time by which a fetched snapshot may lag behind the venue. For this time after the ids went back,
        snapshots that may have an id of the earlier numbering are refused.
    doubt_pause_ms
        Minimum time between two snapshot requests for a LIVE book (`BookStream.request_snapshot`), and between two
        drops for a price jump.
    buffer_deltas, buffer_levels
        Bounds of the buffer: number of deltas, and of price levels in all of them.
    keep_levels
        Levels kept per side; None keeps all. See `calib.market.book.order_book.OrderBook`.

    Raises
    ------
    calib.errors.ConfigError
        If a value is outside its range; the message has the range.
    """

    sequence_rule: str = "contiguous"
    snapshots: str = "rest"
    backoff: Backoff = field(default_factory=Backoff)
    stable_ms: float = 10_000.0
    snapshot_wait_ms: float = 5_000.0
    bridge_wait_ms: float = 10_000.0
    copy_lag_ms: float = 30_000.0
    doubt_pause_ms: float = 1_000.0
    buffer_deltas: int = 4_096
    buffer_levels: int = 50_000
    keep_levels: int | None = None

    def __post_init__(self) -> None:
        for key, allowed in (("sequence_rule", tuple(RULES)), ("snapshots", ("rest", "stream"))):
            if getattr(self, key) not in allowed:
                raise ConfigError(
                    f"{key}: {getattr(self, key)!r} is not allowed", hint=f"Allowed: {', '.join(allowed)}"
                )
        for key in ("stable_ms", "snapshot_wait_ms", "bridge_wait_ms", "copy_lag_ms", "doubt_pause_ms"):
            if not 0 <= getattr(self, key) < float("inf"):
                raise ConfigError(f"{key}: {getattr(self, key)!r} is out of range", hint="Allowed: a number >= 0")
        for key in ("buffer_deltas", "buffer_levels"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key}: {getattr(self, key)!r} is out of range", hint="Allowed: an integer >= 1")
