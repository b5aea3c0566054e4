"""Name datasets by their range and by the settings that differ from the defaults.

Runs over one range with different fees, limits or symbols are different datasets and must not overwrite each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from calib.dataset.filters import REASONS, chosen_filters
from calib.dataset.settings import DEFAULTS
from calib.files import settings_tail

if TYPE_CHECKING:
    from calib.dataset.model import Dataset, Params, Range

_DEFAULT_LIMITS: Final = {rule.reason: rule.limit for rule in chosen_filters()}
_DEFAULT_PARAMS: Final = {
    name: getattr(DEFAULTS, name) for name in ("tick_sample_rate", "maker_fee_bps", "taker_fee_bps")
}


def dataset_name(
    span: Range,
    filters: Mapping[str, Any] | None = None,
    params: Params | None = None,
    symbols: Iterable[str] = (),
) -> str:
    """Return the name of a dataset without suffix; settings that differ from the defaults add ``_`` and 8 hex digits.

    Parameters
    ----------
    span, filters, params
        Those of the dataset; None: the defaults.
    symbols
        The symbols that were selected; empty: all.

    >>> from calib.dataset.model import Range
    >>> span = Range(from_="2025-01-01T00:00:00Z", to="2025-01-02T00:00:00Z", interval_sec=300, symbols=[])
    >>> dataset_name(span)
    'calib_20250101_000000_20250102_000000'
    >>> dataset_name(span, symbols=["BTCUSDT"])
    'calib_20250101_000000_20250102_000000_d489399c'
    """
    stamps = (datetime.fromtimestamp(ts, UTC).strftime("%Y%m%d_%H%M%S") for ts in (span.from_ts, span.to_ts))
    return "calib_{}_{}".format(*stamps) + settings_tail(_changed(span, filters, params, symbols))


def name_of(dataset: Dataset) -> str:
    """Return the name of an existing dataset; see `dataset_name`."""
    return dataset_name(dataset.range, dataset.filters, dataset.params, dataset.asked_symbols)


def _changed(
    span: Range, filters: Mapping[str, Any] | None, params: Params | None, symbols: Iterable[str]
) -> dict[str, Any]:
    """Return the settings that differ from the defaults; numbers are doubles, so that 5 and 5.0 are the same."""
    limits = _DEFAULT_LIMITS if filters is None else filters
    values = {} if params is None else msgspec.to_builtins(params)
    found: dict[str, Any] = {
        f"filters.{reason}": _as_double(limits[reason])
        for reason in REASONS
        if limits[reason] != _DEFAULT_LIMITS[reason]
    }
    found |= {
        name: _as_double(values[name])
        for name, default in _DEFAULT_PARAMS.items()
        if values.get(name, default) != default
    }
    if values.get("contracts"):
        found["contracts"] = values["contracts"]
    if span.interval_sec != DEFAULTS.interval_sec:
        found["interval_sec"] = span.interval_sec
    if asked := sorted(set(symbols)):
        found["symbols"] = asked
    return found


def _as_double(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else float(value)
