"""A bounded buffer of consecutive deltas that wait for a snapshot."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from calib.market.stream.sequence import Rule, SequenceState, SequenceVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from calib.market.stream.messages import Delta


class DeltaBuffer:
    """Deltas in order of arrival, each continuing the one before it.

    Parameters
    ----------
    rule
        The venue's sequence rule.
    max_deltas, max_levels
        Bounds; beyond them the oldest deltas are dropped, so that only a newer snapshot can be bridged.
    """

    __slots__ = ("_deltas", "_levels", "_rule", "max_deltas", "max_levels", "overflowed")

    def __init__(self, rule: Rule, *, max_deltas: int, max_levels: int) -> None:
        self._rule = rule
        self.max_deltas = max_deltas
        self.max_levels = max_levels
        self.overflowed = 0
        self._deltas: deque[Delta] = deque()
        self._levels = 0

    def __len__(self) -> int:
        return len(self._deltas)

    def __iter__(self) -> Iterator[Delta]:
        return iter(self._deltas)

    def clear(self) -> None:
        """Remove all deltas."""
        self._deltas.clear()
        self._levels = 0

    def push(self, delta: Delta) -> SequenceVerdict:
        """Append a delta; if it does not continue the buffer, the deltas before it cannot be bridged and are dropped.

        Returns
        -------
        SequenceVerdict
            The verdict of the sequence rule against the delta before it; ``ACCEPT`` for the first.
        """
        verdict = SequenceVerdict.ACCEPT
        if self._deltas:
            verdict = self._rule(SequenceState(self._deltas[-1].last_id, bridged=True), delta)
            if verdict is SequenceVerdict.DUPLICATE:
                return verdict
            if verdict is not SequenceVerdict.ACCEPT:
                self.clear()
        self._deltas.append(delta)
        self._levels += len(delta.bids) + len(delta.asks)
        while len(self._deltas) > self.max_deltas or (self._levels > self.max_levels and len(self._deltas) > 1):
            oldest = self._deltas.popleft()
            self._levels -= len(oldest.bids) + len(oldest.asks)
            self.overflowed += 1
        return verdict
