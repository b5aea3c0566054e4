"""Deprecated alias of `calib.importers`, until 0.3."""

from __future__ import annotations

import importlib
import warnings
from typing import Any, Final

_NAMES: Final = frozenset(
    [
        "BinanceVision",
        "Cryptofeed",
        "HftbacktestCollector",
        "HftbacktestNpz",
        "HummingbotTrades",
        "Import",
        "Imported",
        "Importer",
        "LimitAs",
        "Rejected",
        "Scratch",
        "Tardis",
        "collect",
        "store",
        "stored_bytes",
        "write_days",
    ]
)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'calib.feeds.importers' has no attribute {name!r}")
    warnings.warn("calib.feeds.importers is now calib.importers", DeprecationWarning, stacklevel=2)
    # Imported by name, because the layers of the package do not allow feeds to import the importers.
    return getattr(importlib.import_module("calib.importers"), name)
