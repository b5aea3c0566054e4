"""Which formats and presets a file is of, found by reading its beginning."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Final

from calib.errors import CalibError
from calib.importers.base import Imported
from calib.importers.registry import IMPORTERS, load
from calib.importers.table.chosen import preset, preset_names
from calib.importers.table.importer import fits

_LOOKED_AT: Final = 50
"""Rows of the beginning."""


def recognised(path: Path) -> list[str]:
    """The words after ``calib import`` that read the file, presets before formats; empty where none does.

    A format reads a file where most of its first rows become records.
    """
    found = [name for name in preset_names() if fits(path, preset(name))]
    return found or [name for name in IMPORTERS if name != "table" and _reads(name, path)]


def _reads(name: str, path: Path) -> bool:
    importer: Any = load(name)
    try:
        rows = list(itertools.islice(importer().read(path), _LOOKED_AT))
    except CalibError:
        return False
    whole = sum(isinstance(row, Imported) or not row.damaged for row in rows)
    return any(isinstance(row, Imported) for row in rows) and whole * 2 > len(rows)
