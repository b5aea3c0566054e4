"""Recorded book lines as stream messages: detects their id scheme, and numbers lines without ids."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any, Final

from calib.errors import MixedNumbering
from calib.market import Delta, Snapshot

NONE: Final = "none"
"""The lines have no ids; only their order is known."""
_delta: Final = tuple.__new__
"""Creates `Delta` from a tuple at half the cost of its constructor, for every line."""
_RULES: Final = {NONE: "contiguous"}


def numbering_of(record: Any) -> str:
    """The id scheme of a delta: ``previous`` (with the predecessor's id), ``range``, ``contiguous``, or ``none``."""
    if record.update_id is None:
        return NONE
    if record.prev_update_id is not None:
        return "previous"
    return "contiguous" if record.first_update_id is None else "range"


def rule_for(numberings: Iterable[str]) -> str:
    """Return the sequence rule under which lines with these id schemes can be replayed together.

    Raises
    ------
    MixedNumbering
        If they need different rules: a cache supports only one.

    >>> rule_for(["none", "contiguous"]), rule_for([])
    ('contiguous', 'contiguous')
    """
    rules = sorted({_RULES.get(numbering, numbering) for numbering in numberings})
    if len(rules) > 1:
        raise MixedNumbering(
            f"the recorded books use different id schemes: {', '.join(rules)}",
            hint="Replay them separately with --symbols: a cache supports one sequence rule",
        )
    return rules[0] if rules else "contiguous"


class _Every(Container[str]):
    def __contains__(self, symbol: object) -> bool:
        return True


EVERY: Final = _Every()
"""Contains every symbol: if the input is not known in advance, a snapshot without ``origin`` counts as requested."""


def is_pushed(record: Any, with_deltas: Container[str]) -> bool:
    """Whether a recorded snapshot replaces the book; otherwise it was requested and must be bridged.

    Without deltas there is nothing to bridge: every snapshot of such a symbol is the book, whatever its ``origin``.

    Parameters
    ----------
    with_deltas
        The symbols with deltas in the input; not evaluated for a snapshot with origin ``pushed``.
    """
    return record.origin == "pushed" or record.symbol not in with_deltas


class Messages:
    """Converts the lines of one symbol to stream messages.

    Lines without ids get consecutive numbers, so the sequence rule always holds; their snapshots are in order with the
    deltas, like pushed ones. A requested snapshot with an id is bridged to the deltas by that id, wherever it is; a
    pushed snapshot replaces the book (`is_pushed`).
    """

    __slots__ = ("_count", "_with_deltas")

    def __init__(self, with_deltas: Container[str] = EVERY) -> None:
        self._count = 0
        self._with_deltas = with_deltas

    def message(self, record: Any, epoch: int) -> Snapshot | Delta:
        """Return the message of a line; ``epoch`` is that of the stream, for requested snapshots."""
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
