"""Import recordings and logs of other tools: one format per file, all behind the `Importer` protocol.

The names below are loaded on first use: the command line needs only the settings.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calib.importers.base import Imported, Importer, ImportOption, Rejected
    from calib.importers.collect import Import, ImportSource, collect, stored_bytes
    from calib.importers.contracts import counts_contracts
    from calib.importers.formats.binance_vision import BinanceVision
    from calib.importers.formats.cryptofeed import Cryptofeed
    from calib.importers.formats.hftbacktest_collector import HftbacktestCollector
    from calib.importers.formats.hftbacktest_npz import HftbacktestNpz
    from calib.importers.formats.hummingbot import HummingbotTrades, LimitAs
    from calib.importers.formats.tardis import Tardis
    from calib.importers.registry import IMPORTERS, load
    from calib.importers.spill import Scratch
    from calib.importers.store import store, write_days

_HOME = {
    "BinanceVision": "calib.importers.formats.binance_vision",
    "Cryptofeed": "calib.importers.formats.cryptofeed",
    "HftbacktestCollector": "calib.importers.formats.hftbacktest_collector",
    "HftbacktestNpz": "calib.importers.formats.hftbacktest_npz",
    "HummingbotTrades": "calib.importers.formats.hummingbot",
    "IMPORTERS": "calib.importers.registry",
    "Import": "calib.importers.collect",
    "ImportOption": "calib.importers.base",
    "ImportSource": "calib.importers.collect",
    "Imported": "calib.importers.base",
    "Importer": "calib.importers.base",
    "LimitAs": "calib.importers.formats.hummingbot",
    "Rejected": "calib.importers.base",
    "Scratch": "calib.importers.spill",
    "Tardis": "calib.importers.formats.tardis",
    "collect": "calib.importers.collect",
    "counts_contracts": "calib.importers.contracts",
    "load": "calib.importers.registry",
    "store": "calib.importers.store",
    "stored_bytes": "calib.importers.collect",
    "write_days": "calib.importers.store",
}

__all__ = [
    "IMPORTERS",
    "BinanceVision",
    "Cryptofeed",
    "HftbacktestCollector",
    "HftbacktestNpz",
    "HummingbotTrades",
    "Import",
    "ImportOption",
    "ImportSource",
    "Imported",
    "Importer",
    "LimitAs",
    "Rejected",
    "Scratch",
    "Tardis",
    "collect",
    "counts_contracts",
    "load",
    "store",
    "stored_bytes",
    "write_days",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'calib.importers' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Room(ModuleType):
    """The package: a function that has the name of its module is the function, whenever the module is loaded."""

    @property
    def collect(self) -> Any:
        return importlib.import_module("calib.importers.collect").collect

    @collect.setter
    def collect(self, _: Any) -> None:
        """What the import of the module would put here."""

    @property
    def store(self) -> Any:
        return importlib.import_module("calib.importers.store").store

    @store.setter
    def store(self, _: Any) -> None:
        """What the import of the module would put here."""


sys.modules[__name__].__class__ = _Room
