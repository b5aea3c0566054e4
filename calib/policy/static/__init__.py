"""Static data: symbol info, trading rules, exchange configuration, and symbol names by exchange."""

from calib.policy.static.cache import StaticDataCache
from calib.policy.static.symbols import SymbolMapper
from calib.policy.static.values import CachedValue

__all__ = ["CachedValue", "StaticDataCache", "SymbolMapper"]
