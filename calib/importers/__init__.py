"""Foreign recordings made feeds: one format per file, all behind the `Importer` protocol."""

from calib.importers.base import Imported, Importer, Rejected
from calib.importers.collect import Import, ImportSource, collect, stored_bytes
from calib.importers.formats.binance_vision import BinanceVision
from calib.importers.formats.cryptofeed import Cryptofeed
from calib.importers.formats.hftbacktest_collector import HftbacktestCollector
from calib.importers.formats.hftbacktest_npz import HftbacktestNpz
from calib.importers.formats.hummingbot import HummingbotTrades, LimitAs
from calib.importers.formats.tardis import Tardis
from calib.importers.spill import Scratch
from calib.importers.store import store, write_days

__all__ = [
    "BinanceVision",
    "Cryptofeed",
    "HftbacktestCollector",
    "HftbacktestNpz",
    "HummingbotTrades",
    "Import",
    "ImportSource",
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
