"""The table of sanity filters; settings, flags, reports and the stored limits are derived from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from calib.config import Setting
from calib.dataset.filters.base import Filter
from calib.dataset.filters.deadline_miss import DeadlineMiss
from calib.dataset.filters.low_ticks import LowTicks
from calib.dataset.filters.non_finite import NonFinite
from calib.dataset.filters.ws_gap import WsGap

FILTERS: Final[tuple[type[Filter], ...]] = (LowTicks, DeadlineMiss, WsGap, NonFinite)
"""In the order in which reasons are recorded. To add one, see CONTRIBUTING.md."""

REASONS: Final = tuple(rule.reason for rule in FILTERS)
FILTER_SETTINGS: Final[dict[str, Setting]] = {rule.setting.key: rule.setting for rule in FILTERS if rule.setting}
"""The settings of the limits, by key."""


def chosen_filters(
    values: Mapping[str, Any] | None = None,
    off: Sequence[str] = (),
    *,
    filters: Sequence[type[Filter]] = FILTERS,
) -> tuple[Filter, ...]:
    """Return the filters that are on, with their limits.

    Parameters
    ----------
    values
        Limits by setting key; a limit that is absent has its default.
    off
        Reasons of the filters that are switched off.
    filters
        The table.

    >>> [rule.limit for rule in chosen_filters({"aggregate.min_ticks": 5}, off=["ws_gap"])]
    [5, 0.05, True]
    """
    values = values or {}
    made: list[Filter] = []
    for rule in filters:
        if rule.reason not in off:
            row = rule.setting
            made.append(rule() if row is None else rule(values.get(row.key, row.default)))  # type: ignore[call-arg]
    return tuple(made)
