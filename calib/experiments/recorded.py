"""Evaluation of a recorded experiment by the same harness that a bot embeds."""

from __future__ import annotations

import math
from typing import Any

from calib.experiments.harness import ABHarness
from calib.experiments.records import Fill, TickRecord
from calib.experiments.report import compare
from calib.experiments.routing import A, B, Router
from calib.experiments.settings import ABSettings
from calib.experiments.verdict import finite
from calib.experiments.windows import METRICS, ArmWindow


class RecordedRun(ABHarness):
    """A harness in shadow that also keeps the totals of the whole run, by arm and by symbol.

    Records must come in the order of their ``ts``.

    Parameters
    ----------
    settings
        The settings of the experiment, or others to compare.
    router
        The arm of each symbol: `calib.experiments.RecordedRouter`, or a rule applied afterwards.
    """

    def __init__(self, settings: ABSettings, router: Router) -> None:
        super().__init__("shadow", settings=settings, router=router)
        self.arms = {arm: ArmWindow(None) for arm in (A, B)}
        self.by_symbol: dict[tuple[str, str], ArmWindow] = {}
        self.first_ts = math.inf
        self.last_ts = -math.inf

    def _record(self, record: Fill | TickRecord) -> None:
        self.first_ts = min(self.first_ts, record.ts)
        self.last_ts = max(self.last_ts, record.ts)
        both = (self.arms[record.bucket], self._symbol_window(record.symbol, record.bucket))
        for window in both:
            if isinstance(record, TickRecord):
                window.add_tick(record)
            else:
                window.add_fill(record)
        super()._record(record)

    def _symbol_window(self, symbol: str, arm: str) -> ArmWindow:
        key = (symbol, arm)
        window = self.by_symbol.get(key)
        if window is None:
            window = self.by_symbol[key] = ArmWindow(None)
        return window

    def finish(self) -> dict[str, Any]:
        """Evaluate up to the last record and return the harness's report with the totals of the run.

        The last one or two blocks are still open for late fills: they are in the totals, not in the sequential tests.
        """
        self.evaluate(self.last_ts + self.settings.lateness_s + self.settings.eval_s)
        now = self.last_ts
        totals = {arm: window.metrics(now) for arm, window in self.arms.items()}
        return self.report() | {
            "totals": compare(totals[A], totals[B]),
            "by_symbol": {symbol: self._symbol(symbol, now) for symbol in sorted({s for s, _ in self.by_symbol})},
        }

    def _symbol(self, symbol: str, now: float) -> dict[str, Any]:
        arms = {arm: self.by_symbol[symbol, arm].metrics(now) for arm in (A, B) if (symbol, arm) in self.by_symbol}
        entry: dict[str, Any] = {
            "arms": "".join(arms),
            "fills": {arm: metrics.n_fills for arm, metrics in arms.items()},
            "ticks": {arm: metrics.n_ticks for arm, metrics in arms.items()},
        }
        for name in METRICS:
            values = {arm: float(getattr(metrics, name)) for arm, metrics in arms.items()}
            delta = values[B] - values[A] if len(values) == 2 else math.nan
            entry[name] = {"a": finite(values.get(A)), "b": finite(values.get(B)), "delta": finite(delta)}
        return entry
