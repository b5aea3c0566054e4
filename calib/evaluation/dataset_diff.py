"""Comparison of two datasets: intervals in only one, changed values, and shifts of the columns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import polars as pl

from calib.dataset.columns import NUMBERS
from calib.dataset.model import Dataset, iso
from calib.evaluation.bootstrap import MedianEstimate, resampled

SCHEMA: Final = "calib.dataset-diff/1"
LISTED: Final = 40
"""Maximum number of listed intervals that are in only one dataset."""
_KEY: Final = ["symbol", "start_ts"]


@dataclass(frozen=True, slots=True)
class ColumnShift:
    """The difference of one column between A and B.

    Parameters
    ----------
    shift
        Median of B less median of A, with a block-bootstrap confidence interval.
    missing_a, missing_b
        Share of the kept intervals without a value, 0..1; None without intervals.
    changed, largest
        Number of common intervals with different values (or a value in only one), and the largest absolute difference.
    """

    name: str
    unit: str
    median_a: float | None
    median_b: float | None
    shift: MedianEstimate
    missing_a: float | None
    missing_b: float | None
    changed: int
    largest: float | None

    @property
    def relative(self) -> float:
        """The larger of the relative shift of the median and the change of the missing share; >= 0, may exceed 1."""
        moved = abs((self.missing_b or 0.0) - (self.missing_a or 0.0))
        if self.shift.value is None:
            return max(moved, float((self.median_a is None) != (self.median_b is None)))
        around = max(abs(self.median_a or 0.0), abs(self.median_b or 0.0))
        return max(moved, abs(self.shift.value) / around if around else 0.0)


@dataclass(frozen=True, slots=True)
class DatasetDiff:
    """All differences; A is the earlier, B the later dataset.

    Parameters
    ----------
    settings
        ``(name, in A, in B)`` of differing settings: range, filters, parameters, version.
    counts
        ``(name, in A, in B)`` of intervals: total, kept and dropped by reason.
    only_a, only_b
        Kept intervals that are missing in the other dataset, ``(symbol, start)``: the first 40.
    symbols_a, symbols_b
        Symbols that are missing in the other dataset.
    """

    settings: list[tuple[str, Any, Any]]
    counts: list[tuple[str, int, int]]
    columns: list[ColumnShift]
    both: int
    only_a_count: int
    only_b_count: int
    only_a: list[tuple[str, str]]
    only_b: list[tuple[str, str]]
    symbols_a: list[str]
    symbols_b: list[str]
    same: bool

    @property
    def largest(self) -> float:
        """The largest relative difference: share of intervals in only one, median shift, change of missing share."""
        union = self.both + self.only_a_count + self.only_b_count
        alone = (self.only_a_count + self.only_b_count) / union if union else 0.0
        return max([alone, *(column.relative for column in self.columns)])

    def past(self, tolerance: float) -> bool:
        """Return whether the datasets differ by more than ``tolerance``; with 0, whether they differ at all."""
        return not self.same and (tolerance == 0 or self.largest > tolerance)

    def as_data(self) -> dict[str, Any]:
        """Return the differences as plain values, ``calib.dataset-diff/1``."""
        columns = [asdict(column) | {"relative": column.relative} for column in self.columns]
        return {
            "schema": SCHEMA,
            "same": self.same,
            "largest": self.largest,
            "settings": [{"name": name, "a": a, "b": b} for name, a, b in self.settings],
            "counts": [{"name": name, "a": a, "b": b} for name, a, b in self.counts],
            "symbols_only_in_a": self.symbols_a,
            "symbols_only_in_b": self.symbols_b,
            "intervals_in_both": self.both,
            "intervals_only_in_a": self.only_a_count,
            "intervals_only_in_b": self.only_b_count,
            "first_only_in_a": [{"symbol": symbol, "start": start} for symbol, start in self.only_a],
            "first_only_in_b": [{"symbol": symbol, "start": start} for symbol, start in self.only_b],
            "columns": columns,
        }


def diff_datasets(a: Dataset, b: Dataset) -> DatasetDiff:
    """Compare two datasets; A is the earlier one or the reference."""
    joined = a.intervals.join(b.intervals, on=_KEY, how="inner", suffix="_b")
    only_a = a.intervals.join(b.intervals, on=_KEY, how="anti").select(_KEY)
    only_b = b.intervals.join(a.intervals, on=_KEY, how="anti").select(_KEY)
    return DatasetDiff(
        settings=[(name, one, other) for name, one, other in _settings(a, b) if one != other],
        counts=_counts(a, b),
        columns=column_shifts(a, b, joined),
        both=joined.height,
        only_a_count=only_a.height,
        only_b_count=only_b.height,
        only_a=_named(only_a),
        only_b=_named(only_b),
        symbols_a=sorted(set(a.range.symbols) - set(b.range.symbols)),
        symbols_b=sorted(set(b.range.symbols) - set(a.range.symbols)),
        same=a.same_as(b),
    )


def column_shifts(a: Dataset, b: Dataset, joined: pl.DataFrame | None = None) -> list[ColumnShift]:
    """Return the shift of every target and feature from A to B.

    ``joined`` holds the common intervals; B's columns have the suffix ``_b``.
    """
    return [_shift(a, b, joined, place, column.name, column.unit) for place, column in enumerate(NUMBERS)]


def _shift(a: Dataset, b: Dataset, joined: pl.DataFrame | None, place: int, name: str, unit: str) -> ColumnShift:
    one, other = resampled(a, name, stream=2 * place), resampled(b, name, stream=2 * place + 1)
    changed, largest = 0, None
    if joined is not None and joined.height:
        left, right = pl.col(name), pl.col(f"{name}_b")
        found = joined.select(left.ne_missing(right).sum().alias("n"), (right - left).abs().max().alias("most"))
        changed, largest = found.row(0)
    return ColumnShift(
        name=name,
        unit=unit,
        median_a=one.median,
        median_b=other.median,
        shift=one.shift_to(other),
        missing_a=_missing(a, name),
        missing_b=_missing(b, name),
        changed=changed,
        largest=largest if changed else None,
    )


def _missing(dataset: Dataset, name: str) -> float | None:
    height = dataset.intervals.height
    return dataset.intervals[name].null_count() / height if height else None


def _settings(a: Dataset, b: Dataset) -> list[tuple[str, Any, Any]]:
    names = dict.fromkeys([*a.filters, *b.filters])
    rows: list[tuple[str, Any, Any]] = [("from", a.range.from_, b.range.from_), ("to", a.range.to, b.range.to)]
    rows.append(("interval_sec", a.range.interval_sec, b.range.interval_sec))
    rows += [(name, a.filters.get(name), b.filters.get(name)) for name in names]
    rows += [(name, getattr(a.params, name), getattr(b.params, name)) for name in a.params.__struct_fields__]
    rows.append(("version", a.tool.version, b.tool.version))
    inputs = [sorted((entry.file, entry.sha256) for entry in each.inputs) for each in (a, b)]
    rows.append(
        ("input files", len(inputs[0]), len(inputs[1]) if inputs[0] == inputs[1] else f"{len(inputs[1])} others")
    )
    return rows


def _counts(a: Dataset, b: Dataset) -> list[tuple[str, int, int]]:
    reasons = dict.fromkeys([*a.counts.dropped, *b.counts.dropped])
    rows = [("intervals", a.counts.intervals, b.counts.intervals), ("kept", a.counts.kept, b.counts.kept)]
    return rows + [(name, a.counts.dropped.get(name, 0), b.counts.dropped.get(name, 0)) for name in reasons]


def _named(rows: pl.DataFrame) -> list[tuple[str, str]]:
    return [(symbol, iso(start)) for symbol, start in rows.head(LISTED).iter_rows()]
