"""Recorded book lines as messages of a stream: which numbering they carry, and numbers for those without any."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any, Final

from calib.errors import MixedNumbering
from calib.market import Delta, Snapshot

NONE: Final = "none"
"""The venue numbers nothing: the order of the lines is all there is."""
_delta: Final = tuple.__new__
"""`Delta` from a tuple: half the cost of its own constructor, for every line."""
_RULES: Final = {NONE: "contiguous"}


def numbering_of(record: Any) -> str:
    """How a delta is numbered: ``previous`` (it names the one before), ``range``, ``contiguous``, or ``none``."""
    if record.update_id is None:
        return NONE
    if record.prev_update_id is not None:
        return "previous"
    return "contiguous" if record.first_update_id is None else "range"


def rule_for(numberings: Iterable[str]) -> str:
    """The sequence rule under which lines of these numberings can be replayed together.

    Raises
    ------
    MixedNumbering
        Where they need different rules: a cache has one.

    >>> rule_for(["none", "contiguous"]), rule_for([])
    ('contiguous', 'contiguous')
    """
    rules = sorted({_RULES.get(numbering, numbering) for numbering in numberings})
    if len(rules) > 1:
        raise MixedNumbering(
            f"the recorded books are numbered in different ways: {', '.join(rules)}",
            hint="Replay them one by one with --symbols: a cache supports one sequence rule",
        )
    return rules[0] if rules else "contiguous"


class _Every(Container[str]):
    def __contains__(self, symbol: object) -> bool:
        return True


EVERY: Final = _Every()
"""Every symbol: where nothing is known of the lines to come, a snapshot without ``origin`` was asked for."""


def is_pushed(record: Any, with_deltas: Container[str]) -> bool:
    """Whether a recorded snapshot replaces the book; else it was asked for beside the stream, and must be bridged.

    Without deltas there is nothing to bridge: each poll of such a symbol is the book, whatever its ``origin``.

    Parameters
    ----------
    with_deltas
        The symbols that have deltas in what is read; not asked for a snapshot that says that it was pushed.
    """
    return record.origin == "pushed" or record.symbol not in with_deltas


class Messages:
    """Turns the lines of one symbol into messages.

    Lines without ids get running numbers, so that the stream's rule holds by construction; their snapshots stand in
    order among the deltas, as a venue pushes them. A snapshot with an id that was asked for beside the stream is
    bridged to the deltas by its id, wherever it stands; one that was pushed replaces the book (`is_pushed`).
    """

    __slots__ = ("_count", "_with_deltas")

    def __init__(self, with_deltas: Container[str] = EVERY) -> None:
        self._count = 0
        self._with_deltas = with_deltas

    def message(self, record: Any, epoch: int) -> Snapshot | Delta:
        """The message of a line; ``epoch`` is the stream's, for snapshots with an id."""
        update_id: int | None = record.update_id
        if update_id is None:
            self._count += 1
            if record.type == "snapshot":
                return Snapshot(record.bids, record.asks, self._count)
            return Delta(record.bids, record.asks, self._count)
        if record.type == "snapshot":
            asked = None if is_pushed(record, self._with_deltas) else epoch
            return Snapshot(record.bids, record.asks, update_id, epoch=asked)
        ids = update_id, record.first_update_id, record.prev_update_id
        return _delta(Delta, (record.bids, record.asks, *ids, None))
