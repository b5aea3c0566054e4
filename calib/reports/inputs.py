"""The table of the feed files of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calib.reports.markdown import cell, code, table
from calib.reports.numbers import NONE, count


def inputs_table(inputs: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of the files with hash, lines and rejects."""
    rows = [
        [
            cell(entry["file"]),
            entry["sha256"][:12],
            count(entry["lines"]),
            count(entry["used"]),
            ", ".join(f"{reason} {count(n)}" for reason, n in entry["rejected"].items()) or NONE,
        ]
        for entry in inputs
    ]
    return table(["file", "sha256", "lines", "used", "rejected"], rows, "llrrl")


def used_inputs_table(inputs: Sequence[Mapping[str, Any]], most: int) -> str:
    """Return a table of the first ``most`` files with lines and hash, without rejects."""
    rows = [[cell(one["file"]), count(one["lines"]), count(one["used"]), code(one["sha256"][:12])] for one in inputs]
    return table(["input", "lines", "used", "sha256"], rows[:most], "lrrl")
