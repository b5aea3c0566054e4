"""The bot of one symbol: stream, cache, stages, quotes; built from the live classes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from calib.clock import VirtualClock
from calib.exchange_sim.exchange import SimulatedExchange
from calib.features import FeatureCollector
from calib.market import MDCache
from calib.pipeline import FetchMDStage, Pipeline, QuoteContext, QuoteStage, StageMetrics, StalePricingStage
from calib.simulation import latency
from calib.simulation.closed_loop.account import Account
from calib.simulation.closed_loop.settings import DEADLINE_MS
from calib.simulation.closed_loop.socket import Sink, Socket
from calib.simulation.closed_loop.stages import FeaturesStage, Quoting, Risk, Strategy, TimedRead
from calib.simulation.closed_loop.tally import TickTally
from calib.simulation.incidents import IncidentKind, IncidentSchedule
from calib.simulation.instruments import Instrument
from calib.simulation.market_model import MarketModel
from calib.simulation.named_rng import NamedRng
from calib.simulation.pricing import Pricer
from calib.simulation.records import Record, RecordBuilder

US_PER_S: Final = 1_000_000
DEPTH: Final = 20
"""Levels per side that a tick reads."""
SLOW_STRATEGY: Final = 80.0
"""Factor of a bad deploy on the duration of the strategy stage."""


class ClosedLoopBot:
    """The bot of one symbol during one hour.

    Parameters
    ----------
    instrument, model, exchange, socket
        The symbol, its market at the venue, the venue, and the bot's socket.
    cache, collector, clock
        Parts shared by all symbols.
    rng, incidents
        The bot's random numbers, and the incidents.
    start_us
        Unix microseconds of the start of the hour.
    stamp
        The hour as a part of ids.
    sink, tally
        Receivers of the log lines and of the figures.
    metrics
        Metrics of stages and ticks; None: a new object.
    """

    def __init__(
        self,
        instrument: Instrument,
        model: MarketModel,
        exchange: SimulatedExchange,
        socket: Socket,
        cache: MDCache,
        collector: FeatureCollector,
        clock: VirtualClock,
        rng: NamedRng,
        incidents: IncidentSchedule,
        start_us: int,
        stamp: str,
        sink: Sink,
        tally: TickTally,
        *,
        metrics: StageMetrics | None = None,
    ) -> None:
        self._instrument, self._model, self._socket = instrument, model, socket
        self._collector, self._clock, self._rng, self._incidents = collector, clock, rng, incidents
        self._start_us, self._sink, self._tally = start_us, sink, tally
        self._bursts = latency.Bursts(rng, start_us)
        self._read_error_bps: float | None = None
        self._queued: set[str] = set()
        self.account = Account(instrument, model, RecordBuilder(instrument, stamp), self._filled, sink)
        strategy = Strategy(
            instrument,
            Pricer(instrument, rng),
            self._wait_s,
            inventory_share=lambda: self.account.inventory_share,
            bad_release=lambda: self._incidents.at(IncidentKind.BAD_DEPLOY, self.now_us()) is not None,
        )
        stages: list[QuoteStage] = [
            TimedRead(FetchMDStage(cache, exchange.snapshot, clock=clock), rng, self._note_read),
            StalePricingStage(),
            FeaturesStage(collector, self._wait_s),
            strategy,
            Risk(self._wait_s),
            Quoting(self.account.send, self._wait_s, self.now_us),
        ]
        self._pipeline = Pipeline(
            stages, deadline_ms=DEADLINE_MS, metrics=metrics or StageMetrics(window=200), clock=clock
        )

    def now_us(self) -> int:
        """Unix microseconds, whole."""
        return self._start_us + self._clock.monotonic_ns() // 1000

    async def run(self, tick_times_us: Sequence[int], end_us: int) -> None:
        """Tick at each of these times that is not past yet, then cancel every quote."""
        for tick_us in tick_times_us:
            ahead_us = tick_us - self.now_us()
            if ahead_us < 0:
                continue  # the previous tick took longer than the interval
            await asyncio.sleep(ahead_us / US_PER_S)
            if self._incidents.at(IncidentKind.OUTAGE, tick_us) is not None:
                self.account.cancel_all(self.now_us())
                continue
            await self._tick()
        await asyncio.sleep(max(0, end_us - self.now_us()) / US_PER_S)
        self.account.cancel_all(self.now_us())

    async def _tick(self) -> None:
        context = QuoteContext(
            self._instrument.name,
            depth=DEPTH,
            expected_update_id=self._socket.last_id(self._instrument.name),
            ws_gap_ms=self._socket.gap_ms(),
        )
        try:
            tick = await self._pipeline.run(context)
        except ConnectionError:
            return  # the venue refused a direct request: no tick
        self._tally.tick(tick, self._read_error_bps)
        self._collector.record_tick(self._instrument.name, tick.record["tick_total_ms"])
        for _ in range(tick.record["n_quotes"] or 0):
            self._collector.record_quote(self._instrument.name)
        self._record_queues()
        self._sink("pipeline_ticks", tick.record)

    def _record_queues(self) -> None:
        symbol, collector = self._instrument.name, self._collector
        queues = list(self.account.queues())
        for quote_id in self._queued - {quote_id for quote_id, _, _ in queues}:
            collector.forget_quote(symbol, quote_id)
        self._queued = {quote_id for quote_id, _, _ in queues}
        for quote_id, ahead_qty, own_qty in queues:
            collector.record_queue(symbol, quote_id, ahead_qty, own_qty)

    def _note_read(self, mid: float | None) -> None:
        """Record the error of the mid that was read, against the true mid now."""
        best = self._model.best
        truth = (self._instrument.price(best.bid) + self._instrument.price(best.ask)) / 2  # same rounding as a reader's
        self._read_error_bps = None if mid is None else abs(mid - truth) / truth * 1e4

    def _wait_s(self, stage: str) -> float:
        now_us = self.now_us()
        factor = self._bursts.factor(now_us)
        if stage == "strategy" and self._incidents.at(IncidentKind.BAD_DEPLOY, now_us) is not None:
            factor *= SLOW_STRATEGY
        return latency.STAGES[stage].draw(self._rng, factor) / US_PER_S

    def _filled(self, record: Record) -> None:
        """A fill at the venue; the bot receives the report after a delay."""
        after_s = latency.FILL_REPORT.draw(self._rng) / US_PER_S
        asyncio.get_running_loop().call_later(after_s, self._record_message, record)

    def _record_message(self, record: Record) -> None:
        heard: Mapping[str, Any] = {**record, "ts": self._clock.time()}
        self._sink("fills", dict(heard))
        self._collector.record_fill(
            heard["symbol"],
            heard["side"],
            heard["price"],
            heard["liquidity"],
            quote_price=heard["quote_price"],
            mid_at_quote=heard["mid_at_quote"],
            mid_now=heard["mid_now"],
            fee_bps=heard["fee_bps"],
        )
