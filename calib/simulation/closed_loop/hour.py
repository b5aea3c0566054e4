"""One hour of the closed loop: markets, sockets, one cache, and one bot per symbol, on one virtual loop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from calib.clock import NS_PER_S, VirtualClock
from calib.exchange_sim.exchange import SimulatedExchange
from calib.exchange_sim.faults import Fault, FaultKind, FaultScript
from calib.features import FeatureCollector
from calib.market import MDCache
from calib.pipeline import StageMetrics
from calib.simulation import latency
from calib.simulation.closed_loop.bot import ClosedLoopBot
from calib.simulation.closed_loop.paced_loop import PacedLoop
from calib.simulation.closed_loop.settings import STEP_US, TICK_US, ClosedLoopSettings
from calib.simulation.closed_loop.socket import Sink, Socket
from calib.simulation.closed_loop.tally import TickTally
from calib.simulation.depth import LEVELS
from calib.simulation.incidents import HOUR_S, IncidentKind, IncidentSchedule, draw_incidents
from calib.simulation.instruments import Instrument, instrument
from calib.simulation.market_model import MarketModel, StepResult
from calib.simulation.named_rng import NamedRng
from calib.virtual_loop import run

PHASE_US: Final = 300_000
"""Range of the random phase of a symbol's ticks."""
JITTER_US: Final = 200_000
CLOSE_US: Final = 500_000
"""The bots cancel everything this long before the end, so that no fill is reported in the next hour."""
RECORD_DEPTH: Final = 200
SOCKETS: Final = 2
"""Number of connections; symbols are assigned to them in turn."""
ALIVE_MS: Final = 40.0
"""A socket also carries other streams (trades, best prices): longest time between two frames."""
WATCH_MS: Final = 1_000.0
RECONNECT_AFTER_MS: Final = 5_000.0
"""A socket that was silent for this time is replaced."""
US_PER_S: Final = 1_000_000


class _BurstyLatency:
    """A latency of the simulation as a `Latency` of the venue, slower within bursts."""

    def __init__(self, model: latency.LogNormal, rng: NamedRng, start_us: int) -> None:
        self._model, self._rng, self._start_us = model, rng, start_us
        self._bursts = latency.Bursts(rng, start_us)

    def next_ns(self, now_ns: int) -> int:
        factor = self._bursts.factor(self._start_us + now_ns // 1000)
        return self._model.draw(self._rng, factor) * 1000


async def _watch(socket: Socket, venue: SimulatedExchange) -> None:
    """A bot's watchdog: replaces a socket that has been silent too long, until it receives messages again."""
    while True:
        await asyncio.sleep(WATCH_MS / 1000)
        if socket.idle_ms() > RECONNECT_AFTER_MS:
            venue.reconnect()


_PROGRESS_STEP: Final = 0.01
STREAM_LATENCY: Final = latency.LogNormal(4_000, 0.4, cap_us=60_000)


class ClosedLoopHour:
    """One hour of the closed loop; the result depends only on the parameters.

    Parameters
    ----------
    seed, symbols, hour_start_s
        Any integer, the symbols in order, and Unix seconds of a full hour.
    length_s
        Length of the simulated part of the hour, s.
    settings
        The settings of the closed loop.
    incidents
        Whether outages, silences and bad deploys occur.
    sink
        Receives every line, in the order in which the bot writes them.
    progress
        Receives the fraction of the hour done since the last call; the sum is 1.
    metrics
        Metrics of the bots and their cache; None: each bot has its own, which are discarded.
    on_parts
        Called with the cache and the feature collector before the first tick.
    """

    def __init__(
        self,
        seed: int,
        symbols: Sequence[str],
        hour_start_s: int,
        settings: ClosedLoopSettings,
        sink: Sink,
        *,
        length_s: float = HOUR_S,
        incidents: bool = True,
        progress: Callable[[float], None] = lambda _: None,
        metrics: StageMetrics | None = None,
        on_parts: Callable[[MDCache, FeatureCollector], None] | None = None,
    ) -> None:
        self._progress = progress
        self._done = 0.0
        self._names = (seed, hour_start_s)
        self._instruments = [instrument(name) for name in symbols]
        self._settings = settings
        self._sink = sink
        self._start_us = hour_start_s * US_PER_S
        self._length_us = round(length_s * US_PER_S)
        self._incidents = draw_incidents(seed, hour_start_s) if incidents else []
        self._stamp = datetime.fromtimestamp(hour_start_s, UTC).strftime("%Y%m%d%H")
        self._metrics = metrics
        self._on_parts = on_parts
        self.tally = TickTally()
        self.cache_summary: Mapping[str, Any] = {}

    def run(self) -> TickTally:
        """Run the hour and return what it measured."""
        clock = VirtualClock(self._start_us / US_PER_S)
        run(self._main(clock), clock=clock)
        self._report_progress(1.0)
        return self.tally

    def _report_progress(self, done: float) -> None:
        """Report the progress, at most a hundred times per hour."""
        if done >= 1.0 or done - self._done >= _PROGRESS_STEP:
            self._progress(done - self._done)
            self._done = done

    def run_live(self) -> TickTally:
        """Run the hour in real time."""
        clock = VirtualClock(self._start_us / US_PER_S)
        run(self._main(clock), loop=PacedLoop(clock))
        return self.tally

    async def _main(self, clock: VirtualClock) -> None:
        ticks = {traded.name: 10.0**-traded.decimals for traded in self._instruments}
        config = self._settings.cache_config(ticks)
        sockets: dict[str, Socket] = {}
        venues: dict[str, SimulatedExchange] = {}

        async def refresh(symbol: str, depth: int) -> Mapping[str, Any]:
            body = await venues[symbol].snapshot(symbol, depth)
            if self._settings.fill == "stream" and depth >= LEVELS:
                sockets[symbol].on_snapshot(symbol, body)
            return body

        names = (*self._names, "jitter")
        cache = MDCache(
            config, refresh, clock=clock, metrics=self._metrics, rng=random.Random(NamedRng(*names).below(2**53))
        )
        collector = FeatureCollector(clock=clock)
        if self._on_parts is not None:
            self._on_parts(cache, collector)
        streamed_cache = cache if self._settings.fill == "stream" and self._settings.cache != "off" else None
        market_tasks, bots = [], []
        for number in range(SOCKETS):
            traded_here = self._instruments[number::SOCKETS]
            if not traded_here:
                continue
            socket = Socket(f"socket-{number}", streamed_cache, clock)
            venue = self._venue(number, [traded.name for traded in traded_here], clock)
            for traded in traded_here:
                venues[traded.name], sockets[traded.name] = venue, socket
                model = MarketModel(traded, self._names, STEP_US / US_PER_S)
                venue.publish(traded.name, model.open())
                bot = ClosedLoopBot(
                    traded, model, venue, socket, cache, collector, clock, NamedRng(*self._names, "bot", traded.name),
                    IncidentSchedule(self._incidents, traded.name), self._start_us, self._stamp, self._sink, self.tally,
                    metrics=self._metrics,
                )  # fmt: skip
                phase_us = NamedRng(*self._names, "phase", traded.name).below(STEP_US)
                life = self._live(traded, model, venue, bot, phase_us)
                market_tasks.append(asyncio.create_task(life, name=f"model {traded.name}"))
                if traded.name in self._settings.record:
                    market_tasks.append(asyncio.create_task(self._record(traded.name, venue, socket)))
                tick_times_us = self._draw_tick_times(NamedRng(*self._names, "times", traded.name))
                end_us = self._start_us + self._length_us - CLOSE_US
                bots.append(asyncio.create_task(bot.run(tick_times_us, end_us), name=f"bot {traded.name}"))
            venue.connect(socket)
            market_tasks.append(asyncio.create_task(_watch(socket, venue), name=f"watchdog {number}"))
        await asyncio.gather(*bots)
        await asyncio.sleep(self._length_us / US_PER_S - clock.monotonic_ns() / NS_PER_S)
        for venue in venues.values():
            venue.close()
        for task in market_tasks:
            task.cancel()
        await asyncio.gather(*market_tasks, return_exceptions=True)
        self.cache_summary = cache.metrics_summary()
        await cache.close()

    async def _live(
        self, traded: Instrument, model: MarketModel, venue: SimulatedExchange, bot: ClosedLoopBot, phase_us: int
    ) -> None:
        """Advance one market step by step."""
        jumps = [fault for fault in self._settings.faults if fault.kind is FaultKind.PRICE_JUMP]
        jumps = [fault for fault in jumps if fault.symbol in (None, traded.name)]
        first_us = self._start_us + phase_us
        for number in range(1, self._length_us // STEP_US):
            await asyncio.sleep((first_us + number * STEP_US - bot.now_us()) / US_PER_S)
            self._publish(traded, venue, model.step(), bot)
            if traded is self._instruments[0]:
                self._report_progress(min(number * STEP_US / self._length_us, 1.0 - _PROGRESS_STEP))
            while jumps and jumps[0].start_s * US_PER_S <= bot.now_us() - self._start_us:
                self._publish(traded, venue, model.jump(round(jumps.pop(0).span_s)), bot)

    def _publish(self, traded: Instrument, venue: SimulatedExchange, result: StepResult, bot: ClosedLoopBot) -> None:
        for delta in result.deltas:
            venue.publish(traded.name, delta)
        now_s = bot.now_us() / US_PER_S
        for price in result.prints:
            record = {
                "ts_exchange": now_s,
                "symbol": traded.name,
                "price": traded.price(price.price),
                "qty": traded.qty(price.lots),
                "side": "buy" if price.aggressor > 0 else "sell",
            }
            venue.trade(traded.name, record)
        bot.account.on_matches(result.matches, bot.now_us())

    async def _record(self, symbol: str, venue: SimulatedExchange, socket: Socket) -> None:
        """Record the stream for ``record_s``; a snapshot is requested at once and recorded when it arrives."""
        socket.record_to(symbol, self._sink)
        socket.on_snapshot(symbol, await venue.snapshot(symbol, RECORD_DEPTH))
        await asyncio.sleep(self._settings.record_s)
        socket.record_to(symbol, None)

    def _venue(self, number: int, symbols: list[str], clock: VirtualClock) -> SimulatedExchange:
        """The venue behind one socket. A silence affects a whole socket."""
        faults = [fault for fault in self._settings.faults if fault.symbol is None or fault.symbol in symbols]
        for incident in self._incidents:
            if incident.kind is IncidentKind.SILENCE and NamedRng("socket", incident.label).below(SOCKETS) == number:
                start_s = (incident.start_us - self._start_us) / US_PER_S
                faults.append(Fault(FaultKind.SILENCE, start_s, (incident.end_us - incident.start_us) / US_PER_S))
        names = (*self._names, number)
        return SimulatedExchange(
            clock,
            symbols,
            snapshot_latency=_BurstyLatency(
                self._settings.venue_latency, NamedRng(*names, "snapshots"), self._start_us
            ),
            stream_latency=_BurstyLatency(STREAM_LATENCY, NamedRng(*names, "stream"), self._start_us),
            faults=FaultScript(faults),
            alive_ms=ALIVE_MS,
        )

    def _draw_tick_times(self, rng: NamedRng) -> list[int]:
        phase_us = rng.below(PHASE_US)
        last_us = self._start_us + self._length_us - CLOSE_US
        tick_times_us = [
            self._start_us + phase_us + n * TICK_US + rng.below(JITTER_US) for n in range(self._length_us // TICK_US)
        ]
        return [moment for moment in tick_times_us if moment < last_us - TICK_US]
