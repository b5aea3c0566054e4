"""The feed files behind a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calib.reports.markdown import cell, code, table
from calib.reports.numbers import NONE, count


def inputs_table(inputs: Sequence[Mapping[str, Any]]) -> str:
    """Each file with its hash, its lines, and what was rejected of them."""
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
    """The first ``most`` files with their lines and their hash; rejects stand elsewhere."""
    rows = [[cell(one["file"]), count(one["lines"]), count(one["used"]), code(one["sha256"][:12])] for one in inputs]
    return table(["input", "lines", "used", "sha256"], rows[:most], "lrrl")
