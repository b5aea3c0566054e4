"""The record of ids seen by a stream, used to detect fetched snapshots with ids of an earlier numbering."""

from __future__ import annotations


class Numbering:
    """The range of ids seen, and for a limited time the range before the ids last went back.

    After a failover a venue may continue from a lower id. A REST copy that lags (half a minute has been observed) then
    has an id that the new numbering reaches too: bridging it would put levels of the old book under the new ids. While
    copies may lag, such a snapshot is refused, because its id alone cannot distinguish it from a good one.

    Parameters
    ----------
    copy_lag_ns
        Longest time by which a fetched snapshot may lag behind the venue.

    >>> seen = Numbering(copy_lag_ns=30)
    >>> seen.see(1000, 1001, now_ns=0), seen.see(950, 950, now_ns=5)  # the second call: the ids went back
    (False, True)
    >>> [seen.may_be_older(update_id, now_ns=6) for update_id in (900, 950, 1000, 1010)]
    [False, True, True, True]
    >>> seen.see(951, 1010, now_ns=7), seen.may_be_older(1005, now_ns=8), seen.may_be_older(1000, now_ns=36)
    (False, False, False)
    """

    __slots__ = ("_back_ns", "_copy_lag_ns", "_old_first", "_old_high", "first_id", "high_id")

    def __init__(self, copy_lag_ns: int) -> None:
        self._copy_lag_ns = copy_lag_ns
        self.first_id: int | None = None
        self.high_id: int | None = None
        self._old_first = self._old_high = 0
        self._back_ns: int | None = None

    def copy(self) -> Numbering:
        """A copy for another stream of the same symbol."""
        copied = Numbering(self._copy_lag_ns)
        for name in self.__slots__:
            setattr(copied, name, getattr(self, name))
        return copied

    def see(self, first_id: int, last_id: int, now_ns: int) -> bool:
        """Record the ids of a message; True if they are lower than ids seen before."""
        if self.high_id is None or self.first_id is None:
            self.first_id, self.high_id = first_id, last_id
            return False
        if last_id >= self.high_id:
            self.high_id = last_id
            return False
        recent = self._back_ns is not None and now_ns - self._back_ns <= self._copy_lag_ns
        self._old_first = min(self._old_first, self.first_id) if recent else self.first_id
        self._old_high = max(self._old_high, self.high_id) if recent else self.high_id
        self._back_ns = now_ns
        self.first_id, self.high_id = first_id, last_id
        return True

    def reach(self, last_id: int) -> None:
        """Record that the book has reached that id, after messages whose ids were not recorded one by one."""
        if self.high_id is None or last_id > self.high_id:
            self.high_id = last_id
            self.first_id = last_id if self.first_id is None else self.first_id

    def may_be_older(self, update_id: int, now_ns: int) -> bool:
        """Whether a fetched snapshot with that id may be a copy with ids of the earlier numbering."""
        if self._back_ns is None or self.first_id is None or self.high_id is None:
            return False
        if now_ns - self._back_ns > self._copy_lag_ns:
            return False
        proven = self._old_high < update_id <= self.high_id  # only the current numbering has reached these ids
        return update_id >= min(self._old_first, self.first_id) and not proven
