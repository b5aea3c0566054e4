"""Foreign recordings made feeds: one format per file, all behind the `Importer` protocol."""

from calib.feeds.importers.base import Imported, Importer, Rejected
from calib.feeds.importers.binance_vision import BinanceVision
from calib.feeds.importers.collect import Import, Source, collect, stored_bytes
from calib.feeds.importers.cryptofeed import Cryptofeed
from calib.feeds.importers.hftbacktest_collector import HftbacktestCollector
from calib.feeds.importers.hftbacktest_npz import HftbacktestNpz
from calib.feeds.importers.hummingbot import HummingbotTrades, LimitAs
from calib.feeds.importers.spill import Scratch
from calib.feeds.importers.store import store, write_days
from calib.feeds.importers.tardis import Tardis

__all__ = [
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
    "Source",
    "Tardis",
    "collect",
    "store",
    "stored_bytes",
    "write_days",
]
