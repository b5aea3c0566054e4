"""The feature collector: turns a bot's observations into the features of each symbol."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from sys import float_info
from typing import Any, Final, NoReturn

from calib.clock import Clock, SystemClock
from calib.errors import BadObservation
from calib.features.base import check_alpha, check_positive
from calib.features.fill_figures import fill_figures
from calib.features.live.base import FillSeen, Smoothing
from calib.features.rolling_quantile import RollingQuantile
from calib.features.snapshot import FeatureSnapshot
from calib.features.symbol import SymbolFeatures
from calib.metrics.histogram import HistogramCounts

_MAX: Final = float_info.max
_SIGN: Final = {"buy": 1.0, "sell": -1.0}


class FeatureCollector:
    """The live features of each symbol; `calib.features.live` defines each with its unit.

    Thread-safe: each symbol has its own lock, so threads that use different symbols do not wait for each other. A
    number that is NaN, infinite or out of range raises `BadObservation`, is counted in ``refused``, and changes no
    feature.

    Parameters
    ----------
    alpha
        Weight of a new observation, in (0, 1]; per symbol by `configure`.
    window
        Number of tick durations of the 95th percentile, 1 to 10,000.
    target_bps
        The target that ``pnl_dev`` is measured against, bps.
    clock
        Source of times for calls without one; default: the machine's clock.
    max_symbols
        Maximum number of symbols (about 100 KB each at most); the least recently written one is dropped.

    >>> collector = FeatureCollector()
    >>> collector.record_tick("BTCUSDT", tick_total_ms=12.0)
    >>> collector.snapshot("BTCUSDT").latency_p95
    12.0
    >>> collector.snapshot("BTCUSDT").fill_rate is None
    True
    """

    def __init__(
        self,
        alpha: float = 0.1,
        window: int = 1000,
        *,
        target_bps: float = 0.0,
        clock: Clock | None = None,
        max_symbols: int = 1000,
    ) -> None:
        self.alpha = check_alpha(alpha)
        self.window = RollingQuantile(0.95, window).window
        if not -_MAX <= target_bps <= _MAX:
            raise ValueError(f"target_bps: {target_bps!r} is not a finite number")
        if max_symbols < 1:
            raise ValueError(f"max_symbols: {max_symbols!r} is out of range; expected at least 1")
        self.target_bps = float(target_bps)
        self.max_symbols = max_symbols
        self._now_ns: Callable[[], int] = (SystemClock() if clock is None else clock).monotonic_ns
        self._symbols: OrderedDict[str, SymbolFeatures] = OrderedDict()
        self._settings: dict[str, tuple[float, float | None]] = {}
        self._lock = threading.Lock()
        self._refused = 0
        self._forgotten = 0

    @property
    def refused(self) -> int:
        """Number of refused observations."""
        return self._refused

    @property
    def forgotten(self) -> int:
        """Number of symbols dropped because of ``max_symbols``."""
        return self._forgotten

    def configure(self, symbol: str, *, alpha: float | None = None, half_life_s: float | None = None) -> None:
        """Set the smoothing of one symbol and reset its features.

        Parameters
        ----------
        alpha
            Weight of a new observation, in (0, 1].
        half_life_s
            Half-life in seconds: averages then decay by time, not by event (``fill_rate`` always decays per quote).
        """
        chosen = check_alpha(self.alpha if alpha is None else alpha)
        if half_life_s is not None:
            check_positive("half_life_s", half_life_s)
        with self._lock:
            self._settings[symbol] = (chosen, half_life_s)
            self._symbols.pop(symbol, None)

    def record_tick(self, symbol: str, tick_total_ms: float, *, now_ns: int | None = None) -> None:
        """Record one pipeline tick that took ``tick_total_ms`` (>= 0)."""
        try:
            good = 0.0 <= tick_total_ms <= _MAX
        except TypeError:
            good = False
        if not good:
            self._refuse("tick_total_ms", tick_total_ms, "a finite number >= 0")
        features = self._features_of(symbol)
        with features.lock:
            features.ticks += 1
            features.tick_ms.observe(tick_total_ms)
            moment = self._now_ns() if now_ns is None else now_ns
            for handler in features.on_tick:
                handler(tick_total_ms, moment)

    def record_book(
        self, symbol: str, bid: float, bid_qty: float, ask: float, ask_qty: float, *, now_ns: int | None = None
    ) -> None:
        """Record the best bid and ask (prices > 0, quantities >= 0) at ``now_ns``, monotonic nanoseconds."""
        try:
            good = 0.0 < bid <= _MAX and 0.0 < ask <= _MAX and 0.0 <= bid_qty <= _MAX and 0.0 <= ask_qty <= _MAX
        except TypeError:
            good = False
        mid = bid / 2.0 + ask / 2.0 if good else 0.0
        if not good or not mid > 0.0 or bid_qty + ask_qty > _MAX:
            self._refuse("book", (bid, bid_qty, ask, ask_qty), "prices > 0 and quantities >= 0, all finite")
        features = self._features_of(symbol)
        moment = self._now_ns() if now_ns is None else now_ns
        with features.lock:
            for handler in features.on_book:
                handler(mid, bid_qty + ask_qty, moment)

    def record_quote(self, symbol: str) -> None:
        """Record one sent quote."""
        features = self._features_of(symbol)
        with features.lock:
            for handler in features.on_quote:
                handler()

    def record_queue(
        self, symbol: str, quote_id: str, ahead_qty: float, own_qty: float, *, now_ns: int | None = None
    ) -> None:
        """Record ``ahead_qty`` (>= 0) ahead of a quote of ours of ``own_qty`` (> 0), base units."""
        self._check("ahead_qty", ahead_qty)
        self._check("own_qty", own_qty, positive=True)
        features = self._features_of(symbol)
        moment = self._now_ns() if now_ns is None else now_ns
        with features.lock:
            for handler in features.on_queue:
                handler(quote_id, ahead_qty, own_qty, moment)

    def forget_quote(self, symbol: str, quote_id: str) -> None:
        """Stop tracking the queue of a quote that is gone."""
        features = self._symbols.get(symbol)
        if features is not None:
            with features.lock:
                for handler in features.on_quote_gone:
                    handler(quote_id)

    def record_fill(
        self,
        symbol: str,
        side: str,
        price: float,
        liquidity: str,
        *,
        quote_price: float | None = None,
        mid_at_quote: float | None = None,
        mid_now: float | None = None,
        fee_bps: float = 0.0,
        slip_bps: float | None = None,
        now_ns: int | None = None,
    ) -> None:
        """Record one fill of ours; prices and mids > 0, ``side`` buy or sell, ``liquidity`` maker or taker.

        Features that need a price given as None are not updated by this fill.
        """
        if side not in _SIGN:
            self._refuse("side", side, "buy or sell")
        if liquidity not in ("maker", "taker"):
            self._refuse("liquidity", liquidity, "maker or taker")
        self._check("price", price, positive=True)
        for name, value in (("quote_price", quote_price), ("mid_at_quote", mid_at_quote), ("mid_now", mid_now)):
            if value is not None:
                self._check(name, value, positive=True)
        self._check("fee_bps", fee_bps, signed=True)
        if slip_bps is not None:
            self._check("slip_bps", slip_bps, signed=True)
        figures = fill_figures(
            _SIGN[side],
            price,
            quote_price=quote_price,
            mid_at_quote=mid_at_quote,
            mid_now=mid_now,
            fee_bps=fee_bps,
            slip_bps=slip_bps,
        )
        for name, figure in zip(figures._fields, figures, strict=True):
            if figure is not None:
                self._check(name, figure, signed=True)
        features = self._features_of(symbol)
        moment = self._now_ns() if now_ns is None else now_ns
        is_taker = liquidity == "taker"
        with features.lock:
            features.fills_taker += is_taker
            features.fills_maker += not is_taker
            seen = FillSeen(is_taker, *figures, moment)
            for handler in features.on_fill:
                handler(seen)

    def snapshot(self, symbol: str) -> FeatureSnapshot:
        """The features of ``symbol`` now; all None for an unknown symbol, which is not added."""
        features = self._symbols.get(symbol)
        if features is None:
            return SymbolFeatures(Smoothing(self.alpha, window=1)).snapshot(symbol)
        with features.lock:
            return features.snapshot(symbol)

    def snapshot_all(self) -> dict[str, FeatureSnapshot]:
        """The snapshot of every symbol, sorted by name."""
        with self._lock:
            symbols = sorted(self._symbols)
        return {symbol: self.snapshot(symbol) for symbol in symbols}

    def total_ticks(self, symbol: str) -> int:
        """Number of ticks recorded for ``symbol``."""
        features = self._symbols.get(symbol)
        return 0 if features is None else features.ticks

    def tick_histograms(self) -> dict[str, HistogramCounts]:
        """The histogram of tick durations of every symbol, ms."""
        with self._lock:
            symbols = list(self._symbols.items())
        return {symbol: features.tick_ms.counts() for symbol, features in symbols}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

    def _check(self, name: str, value: float, *, positive: bool = False, signed: bool = False) -> None:
        try:
            good = (-_MAX if signed else 0.0) <= value <= _MAX and not (positive and value == 0.0)
        except TypeError:
            good = False
        if not good:
            kind = "a finite number" if signed else f"a finite number {'>' if positive else '>='} 0"
            self._refuse(name, value, kind)

    def _refuse(self, name: str, value: Any, wanted: str) -> NoReturn:
        with self._lock:
            self._refused += 1
        raise BadObservation(f"{value!r} is not {wanted}", where=name, hint="The features are unchanged")

    def _features_of(self, symbol: str) -> SymbolFeatures:
        """The features of a symbol that is about to be written, moved to the end of the eviction order.

        If another thread evicts the symbol now, this write goes to the evicted features: the same result as if it had
        come just before the eviction.
        """
        try:
            features = self._symbols[symbol]
            self._symbols.move_to_end(symbol)
        except (KeyError, TypeError):
            return self._admit(symbol)
        return features

    def _admit(self, symbol: str) -> SymbolFeatures:
        """Create the features of a symbol that was missing.

        The lookup is repeated under the lock: if two threads found it missing and both created features, the records of
        one of them would be lost.
        """
        if type(symbol) is not str or not symbol:  # callers without a type checker may pass anything
            self._refuse("symbol", symbol, "a non-empty text")
        with self._lock:
            features = self._symbols.get(symbol)
            if features is None:
                alpha, half_life_s = self._settings.get(symbol, (self.alpha, None))
                smoothing = Smoothing(alpha, half_life_s, self.window, self.target_bps)
                features = self._symbols[symbol] = SymbolFeatures(smoothing)
                if len(self._symbols) > self.max_symbols:
                    self._symbols.popitem(last=False)
                    self._forgotten += 1
            return features
