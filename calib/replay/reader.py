"""The reads of the replayed bot: by the live stage and cache, compared with the true book."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from calib.clock import NS_PER_MS
from calib.errors import BadObservation
from calib.market import BookView, MDCacheMeta, UseCase
from calib.pipeline import FetchMDStage, MarketData, QuoteContext
from calib.replay import eager
from calib.replay.error_timeline import ErrorTimeline
from calib.replay.fidelity import Fidelity
from calib.replay.tally import ReadTally

if TYPE_CHECKING:
    from collections.abc import Callable

    from calib.clock import VirtualClock
    from calib.exchange_sim.latency import Latency
    from calib.exchange_sim.snapshot_endpoint import SnapshotEndpoint
    from calib.features import FeatureCollector
    from calib.files import AnonymousTempFile
    from calib.market import MDCache, OrderBook
    from calib.replay.sources import Event


_PRICING: Final = UseCase.PRICING.value
_GUARDS: Final = UseCase.GUARDS.value


class Reader:
    """Makes reads and records their results.

    Parameters
    ----------
    cache, endpoint, collector, clock
        The bot's cache, the endpoint for its requests, its feature collector, the virtual clock.
    truth
        ``symbol`` -> the true book now; None while it is unknown.
    last_id
        ``symbol`` -> the newest update id on the bot's socket; None if there is none.
    direct
        The duration of each read without the cache.
    file
        Holds samples that do not fit into memory.
    """

    def __init__(
        self,
        cache: MDCache,
        endpoint: SnapshotEndpoint,
        collector: FeatureCollector,
        clock: VirtualClock,
        *,
        truth: Callable[[str], OrderBook | None],
        last_id: Callable[[str], int | None],
        direct: Latency,
        file: AnonymousTempFile,
    ) -> None:
        self._file = file
        self.tallies: dict[str, ReadTally] = {}
        self.fidelity = Fidelity()
        self.timeline = ErrorTimeline()
        self.refused_observations = 0
        self.in_holes: Counter[str] = Counter()
        """Reads that were skipped, by symbol, because the true book was unknown."""
        self._cache = cache
        self._stage = FetchMDStage(cache, endpoint.snapshot, clock=clock)
        self._collector = collector
        self._clock = clock
        self._truth = truth
        self._last_id = last_id
        self._direct = direct
        self._waiting: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    def read(self, symbol: str, use_case: str, depth: int, event: Event | None = None, *, logged: bool = True) -> None:
        """Start a read now; a read that has to wait continues as a task.

        Parameters
        ----------
        symbol, use_case, depth
            What to read.
        event
            The tick that this read belongs to.
        logged
            Whether the tick was recorded; False for one added between recorded ticks.
        """
        if self._truth(symbol) is None:
            # The true book is unknown: the venue could not reply, and there is nothing to compare with.
            self.in_holes[symbol] += 1
            return
        begun = eager.start(self._read(symbol, use_case, depth, event, logged))
        if isinstance(begun, asyncio.Task):
            self._waiting.add(begun)
            begun.add_done_callback(self._ended)

    async def finish(self) -> None:
        """Wait for pending reads, and raise the first exception of any read."""
        if self._waiting:
            await asyncio.wait(self._waiting)
        if self._failure is not None:
            raise self._failure

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._waiting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self._failure is None:
            self._failure = error

    async def _read(self, symbol: str, use_case: str, depth: int, event: Event | None, logged: bool) -> None:
        began_ns = self._clock.monotonic_ns()
        direct_ms = self._direct.next_ns(began_ns) / NS_PER_MS
        market, meta = await self._ask(symbol, use_case, depth)
        fetch_ms = (self._clock.monotonic_ns() - began_ns) / NS_PER_MS
        tally = self.tallies.get(symbol)
        if tally is None:
            tally = self.tallies[symbol] = ReadTally(self._file)
        error_bps = tally.take(use_case, meta, fetch_ms, direct_ms, market, self._truth(symbol))
        stream = self._cache.stream(symbol)
        lost = stream is not None and not stream.live
        self.timeline.take(round(self._clock.time() * 1e6), error_bps, out_of_sync=lost)
        if event is not None and logged:
            self.fidelity.take(event, meta)
        self._observe(symbol, market, event.record if event is not None and logged else None, fetch_ms)

    async def _ask(self, symbol: str, use_case: str, depth: int) -> tuple[MarketData | None, MDCacheMeta]:
        """Ticks read through their stage, for pricing or guards; other use cases read the cache directly."""
        expected = self._last_id(symbol)
        guard = use_case == _GUARDS
        if guard or use_case == _PRICING:
            context = QuoteContext(symbol, guard, depth, expected)
            read = await self._stage.run(context)
            assert read.meta is not None  # the cache is on
            return read.market_data, read.meta
        view: BookView | None
        view, meta = await self._cache.get_orderbook(symbol, depth, expected_update_id=expected, use_case=use_case)
        return None if view is None else MarketData.of(view), meta

    def _observe(self, symbol: str, market: MarketData | None, tick: Any, fetch_ms: float) -> None:
        """Record what the bot would record in its collector."""
        collector = self._collector
        try:
            if market is not None and market.bids and market.asks:
                collector.record_book(symbol, *market.bids[0], *market.asks[0])
            if tick is not None:
                # The tick's duration with the replayed read instead of the recorded one.
                recorded_ms = (tick.stage_latencies or {}).get("fetch_md")
                total_ms: float = tick.tick_total_ms
                if recorded_ms is not None:
                    total_ms = max(0.0, total_ms - recorded_ms) + fetch_ms
                collector.record_tick(symbol, total_ms)
                for _ in range((tick.n_quotes or 0) * (tick.sample_rate or 1)):
                    collector.record_quote(symbol)
        except BadObservation:
            self.refused_observations += 1
