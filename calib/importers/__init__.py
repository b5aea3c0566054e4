"""Import recordings and logs of other tools: one format per file, all behind the `Importer` protocol."""

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
