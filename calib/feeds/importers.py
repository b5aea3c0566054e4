"""The former address of `calib.importers`, until 0.3."""

from __future__ import annotations

import importlib
import warnings
from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    warnings.warn("calib.feeds.importers is now calib.importers", DeprecationWarning, stacklevel=2)
    # By name, not by an import: this room lies below the importers.
    return getattr(importlib.import_module("calib.importers"), name)
