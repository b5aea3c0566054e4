"""What every collection of tests and doctests shares."""

from __future__ import annotations

import importlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent / "calib"


def pytest_collect_file(file_path: Path) -> None:
    """Import the package of a module with doctests first.

    If pytest imports such a module before its package does, it is loaded twice; objects of the first copy cannot be
    pickled, since their class is not the one of that name.
    """
    if file_path.suffix == ".py" and file_path.is_relative_to(PACKAGE):
        importlib.import_module(".".join(file_path.parent.relative_to(PACKAGE.parent).parts))
