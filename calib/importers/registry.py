"""The registry of formats, one line each; commands, options, docs and the tests of every importer are derived from it.

It names the classes without importing them, so that ``calib --help`` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from calib.importers.base import Importer

IMPORTERS: dict[str, str] = {
    "hummingbot": "calib.importers.formats.hummingbot:HummingbotTrades",
    "hftbacktest-collector": "calib.importers.formats.hftbacktest_collector:HftbacktestCollector",
    "tardis": "calib.importers.formats.tardis:Tardis",
    "binance-vision": "calib.importers.formats.binance_vision:BinanceVision",
    "hftbacktest-npz": "calib.importers.formats.hftbacktest_npz:HftbacktestNpz",
    "table": "calib.importers.table.importer:Table",
    "cryptofeed": "calib.importers.formats.cryptofeed:Cryptofeed",
}
"""Word after ``calib import`` -> module and class."""


def load(name: str) -> type[Importer]:
    """Return the class of a format or a preset; `KeyError` if there is none of that name."""
    if name not in IMPORTERS:
        from calib.importers.table.chosen import preset_names
        from calib.importers.table.importer import preset_class

        if name not in preset_names():
            raise KeyError(name)
        return preset_class(name)
    module, _, class_name = IMPORTERS[name].partition(":")
    found: Any = getattr(importlib.import_module(module), class_name)
    return cast("type[Importer]", found)
