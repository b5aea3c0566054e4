"""Words for findings."""

from __future__ import annotations

from collections.abc import Iterable

from calib.policy.checker.kinds import DataKind


def listed(kinds: Iterable[DataKind]) -> str:
    """The kinds as words.

    >>> listed([DataKind.POSITION, DataKind.BALANCE])
    'account balance and position'
    """
    return " and ".join(sorted(kind.value for kind in kinds))


def shown(path: str) -> str:
    """A kept place as the reader knows it.

    >>> shown("self._cache")
    'self._cache'
    """
    return path
