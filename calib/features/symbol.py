"""The features of one symbol under one lock, and the handlers of each event."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from calib.features.live.base import LiveFeature, Smoothing
from calib.features.live.table import FEATURE_TABLE
from calib.features.snapshot import FeatureSnapshot
from calib.metrics.histogram import Histogram

_EVENTS: Final = ("on_tick", "on_book", "on_quote", "on_queue", "on_quote_gone", "on_fill")


class SymbolFeatures:
    """Every feature that `FeatureCollector` keeps for one symbol.

    The collector checks the numbers and holds ``lock`` around each call; this class does neither. For each kind of
    event there is a tuple of the features' handler methods, in the order of the table.
    """

    __slots__ = ("features", "fills_maker", "fills_taker", "lock", "tick_ms", "ticks", *_EVENTS)

    on_tick: tuple[Callable[[float, int], None], ...]
    on_book: tuple[Callable[[float, float, int], None], ...]
    on_quote: tuple[Callable[[], None], ...]
    on_queue: tuple[Callable[[str, float, float, int], None], ...]
    on_quote_gone: tuple[Callable[[str], None], ...]
    on_fill: tuple[Callable[[Any], None], ...]

    def __init__(self, smoothing: Smoothing, table: Sequence[type[LiveFeature]] = FEATURE_TABLE) -> None:
        self.lock = threading.Lock()
        self.features: dict[str, LiveFeature] = {}
        for kind in table:
            self.features[kind.name] = kind(replace(smoothing, earlier=self.features))
        self.tick_ms = Histogram()
        self.ticks = 0
        self.fills_maker = 0
        self.fills_taker = 0
        self._register_handlers()

    def snapshot(self, symbol: str) -> FeatureSnapshot:
        """The current values."""
        values = (feature.get() for feature in self.features.values())
        total = self.fills_maker + self.fills_taker
        return FeatureSnapshot(symbol, *values, total, self.fills_maker, self.fills_taker)

    def _register_handlers(self) -> None:
        for event in _EVENTS:
            methods = tuple(getattr(item, event) for item in self.features.values() if hasattr(item, event))
            setattr(self, event, methods)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("features", "fills_maker", "fills_taker", "tick_ms", "ticks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.lock = threading.Lock()
        for name, value in state.items():
            setattr(self, name, value)
        self._register_handlers()
