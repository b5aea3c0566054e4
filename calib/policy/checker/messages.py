"""Texts for findings."""

from __future__ import annotations

from collections.abc import Iterable

from calib.policy.checker.kinds import DataKind


def listed(kinds: Iterable[DataKind]) -> str:
    """Return the kinds as text.

    >>> listed([DataKind.POSITION, DataKind.BALANCE])
    'account balance and position'
    """
    return " and ".join(sorted(kind.value for kind in kinds))


def shown(path: str) -> str:
    """Return the path of a slot for a message.

    >>> shown("self._cache")
    'self._cache'
    """
    return path
