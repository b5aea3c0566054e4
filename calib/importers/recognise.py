"""Detect the formats and presets of a file from its first rows."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Final

from calib.errors import CalibError
from calib.importers.base import Imported
from calib.importers.registry import IMPORTERS, load
from calib.importers.table.chosen import preset, preset_names
from calib.importers.table.importer import fits

_SAMPLED_ROWS: Final = 50


def recognised(path: Path) -> list[str]:
    """Return the words after ``calib import`` that read the file, presets before formats; empty if none does.

    A format reads a file if most of its first rows are intact and at least one becomes a record.
    """
    found = [name for name in preset_names() if fits(path, preset(name))]
    return found or [name for name in IMPORTERS if name != "table" and _reads(name, path)]


def _reads(name: str, path: Path) -> bool:
    importer: Any = load(name)
    try:
        rows = list(itertools.islice(importer().read(path), _SAMPLED_ROWS))
    except CalibError:
        return False
    intact = sum(isinstance(row, Imported) or not row.damaged for row in rows)
    return any(isinstance(row, Imported) for row in rows) and intact * 2 > len(rows)
