"""The report of a comparison of two datasets, and the drift section of a summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from calib.dataset.model import Dataset
from calib.evaluation.dataset_diff import ColumnShift, DatasetDiff, diff_datasets
from calib.reports.files import RenderedReport
from calib.reports.markdown import cell, code, table
from calib.reports.numbers import NONE, count, moment, number, percent
from calib.reports.pictures.dots import Dot, dots_svg

CAP: Final = 40


def diff_report(name_a: str, name_b: str, found: DatasetDiff, tolerance: float) -> RenderedReport:
    """Return the report of a comparison of two datasets."""
    parts = [
        f"# Datasets compared: {code(name_a)} and {code(name_b)}",
        f"**{diff_verdict(found, tolerance)}.**",
        f"A is {code(name_a)}, B is {code(name_b)}. {diff_counts_line(found)}",
        "## Range, filters and settings",
        _differing(found.settings) or "The same.",
        "## Counts",
        table(("", "A", "B", "B - A"), [_count_row(*row) for row in found.counts], "lrrr"),
        "## Shift of each column",
        *shift_section(found.columns),
        "## Values of the same interval",
        _changed(found),
        "## Symbols in only one",
        "\n".join(_symbol_lines(found)) or "None.",
        "## Intervals in only one",
        *_alone(found),
    ]
    return RenderedReport("\n\n".join(part for part in parts if part) + "\n", shift_pictures(found.columns))


def drift_report(new: Dataset, old: Dataset, old_name: str) -> tuple[str, dict[str, str]]:
    """Return the drift of a dataset from an older one: Markdown for below a heading, and its pictures."""
    found = diff_datasets(old, new)
    lines = _symbol_lines(found, ("gone", "new"))
    against = (
        f"Compared with {code(old_name)}, {moment(old.range.from_)} to {moment(old.range.to)} UTC, which is A; this "
        "dataset is B."
    )
    text = "\n\n".join([against, *shift_section(found.columns), "\n".join(lines) or "The symbols are the same."])
    return text, shift_pictures(found.columns)


def diff_verdict(found: DatasetDiff, tolerance: float) -> str:
    """Return whether the datasets differ, in a sentence."""
    if found.same:
        return "THE SAME: all parts and rows are equal"
    largest = f"the largest relative difference is {number(found.largest)}"
    if not found.past(tolerance):
        return f"WITHIN THE TOLERANCE of {number(tolerance)}: {largest}"
    return f"DIFFERENT: {largest}, the tolerance is {number(tolerance)}"


def diff_counts_line(found: DatasetDiff) -> str:
    """Return the numbers of common and single intervals in a sentence."""
    alone = f"{count(found.only_a_count)} only in A, {count(found.only_b_count)} only in B"
    return f"{count(found.both)} kept intervals in both, {alone}."


def shift_section(columns: Sequence[ColumnShift]) -> list[str]:
    """Return an explanation of the shifts, their picture and their table."""
    said = (
        "The median over the kept intervals, B less A. The 95 % confidence interval is a bootstrap over blocks of "
        "time, each with all of its symbols. `missing` is the share of the kept intervals without a value."
    )
    rows = [
        [
            column.name,
            column.unit,
            number(column.median_a),
            number(column.median_b),
            signed(column.shift.value),
            NONE if column.shift.low is None else f"{signed(column.shift.low)} .. {signed(column.shift.high)}",
            _share(column.missing_a),
            _share(column.missing_b),
        ]
        for column in columns
    ]
    header = ("", "unit", "median A", "median B", "shift", "95 %", "missing A", "missing B")
    picture = "![Shift of each median, in percent](shift.svg)" if _dots(columns) else ""
    return [said, picture, table(header, rows, "llrrrrrr")]


def shift_pictures(columns: Sequence[ColumnShift]) -> dict[str, str]:
    """Return the picture of the shifts in percent of the larger median."""
    dots = _dots(columns)
    title = "Shift of each median, in percent of the larger of the two"
    return {"shift.svg": dots_svg(title, "percent, with the 95 % interval by block bootstrap", dots)} if dots else {}


def signed(value: float | None) -> str:
    """Format a number with its sign."""
    return number(value) if value is None or value <= 0 else f"+{number(value)}"


def _dots(columns: Sequence[ColumnShift]) -> list[Dot]:
    dots = []
    for column in columns:
        around = max(abs(column.median_a or 0.0), abs(column.median_b or 0.0))
        if column.shift.value is not None and around > 0:
            value, low, high = (
                None if end is None else 100 * (end / around)
                for end in (column.shift.value, column.shift.low, column.shift.high)
            )
            assert value is not None
            dots.append(Dot(column.name, value, low, high))
    return dots


def _share(share: float | None) -> str:
    return NONE if share is None else percent(share, 1)


def _differing(rows: Sequence[tuple[str, Any, Any]]) -> str:
    if not rows:
        return ""
    return table(("setting", "A", "B"), [[cell(name), _value(one), _value(other)] for name, one, other in rows], "lll")


def _value(value: Any) -> str:
    if value is None:
        return "off"
    return cell(str(value)) if isinstance(value, str) else str(value)


def _count_row(name: str, one: int, other: int) -> list[str]:
    delta = other - one
    return [cell(name), count(one), count(other), f"+{count(delta)}" if delta > 0 else count(delta)]


def _changed(found: DatasetDiff) -> str:
    rows = [
        [column.name, count(column.changed), percent(column.changed, found.both), number(column.largest)]
        for column in found.columns
        if column.changed
    ]
    if not rows:
        return "All common intervals have equal values." if found.both else "The datasets have no common interval."
    return table(("column", "intervals that differ", "share", "largest difference"), rows, "lrrr")


def _symbol_lines(found: DatasetDiff, words: tuple[str, str] = ("only in A", "only in B")) -> list[str]:
    lines = []
    for word, symbols in zip(words, (found.symbols_a, found.symbols_b), strict=True):
        if symbols:
            more = f" and {count(len(symbols) - CAP)} more" if len(symbols) > CAP else ""
            lines.append(f"- {word}: {', '.join(map(code, symbols[:CAP]))}{more}")
    return lines


def _alone(found: DatasetDiff) -> list[str]:
    parts = []
    for word, rows, amount in (("A", found.only_a, found.only_a_count), ("B", found.only_b, found.only_b_count)):
        if rows:
            cells = [[cell(symbol), moment(start)] for symbol, start in rows]
            more = f"\n\nand {count(amount - len(rows))} more" if amount > len(rows) else ""
            parts.append(table((f"only in {word}", "interval from"), cells, "ll") + more)
    return parts or ["None."]
