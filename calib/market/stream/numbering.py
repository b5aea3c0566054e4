"""The ids that a stream has shown, in every state, and what they say of a snapshot that was fetched beside it."""

from __future__ import annotations


class Numbering:
    """Remembers the range of ids seen, and for a while that of the numbering before, where the ids went back.

    After a failover a venue may go on from a lower id. A REST copy that lags (half a minute is known) then has an id
    that the new numbering reaches as well: bridged by it, levels of the old book would stand under the new ids. For as
    long as copies may lag, such a snapshot is not taken; nothing in its id could tell it from a good one.

    Parameters
    ----------
    copy_lag_ns
        How far a fetched snapshot may lag behind the venue, at most.

    >>> seen = Numbering(copy_lag_ns=30)
    >>> seen.see(1000, 1001, now_ns=0), seen.see(950, 950, now_ns=5)  # the second goes back
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
        """What it remembers, for another stream of the same symbol."""
        copied = Numbering(self._copy_lag_ns)
        for name in self.__slots__:
            setattr(copied, name, getattr(self, name))
        return copied

    def see(self, first_id: int, last_id: int, now_ns: int) -> bool:
        """A message with these ids; True where they went back behind what was seen."""
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
        """The book has come to that id by messages that were not shown here one by one."""
        if self.high_id is None or last_id > self.high_id:
            self.high_id = last_id
            self.first_id = last_id if self.first_id is None else self.first_id

    def may_be_older(self, update_id: int, now_ns: int) -> bool:
        """Whether a fetched snapshot with that id may be a copy with ids of the numbering before."""
        if self._back_ns is None or self.first_id is None or self.high_id is None:
            return False
        if now_ns - self._back_ns > self._copy_lag_ns:
            return False
        proven = self._old_high < update_id <= self.high_id  # only the present numbering has come so far
        return update_id >= min(self._old_first, self.first_id) and not proven
