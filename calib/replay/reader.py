"""The bot's reads: through the stage and the cache that a bot runs, measured against the truth."""

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
    """Makes reads and takes down what came of them.

    Parameters
    ----------
    cache, endpoint, collector, clock
        The bot's cache, the venue that answers it, its feature collector, the virtual clock.
    truth
        ``symbol`` -> the true book now; None while it is not known.
    last_id
        ``symbol`` -> the newest update id that the bot's socket has shown; None where it has none.
    direct
        How long each read would have taken without the cache.
    file
        For what memory shall not hold of the reads.
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
        """Reads that were not made, by symbol: the recording does not say what the book was then."""
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
        """Begin a read now; one that waits goes on by itself.

        Parameters
        ----------
        symbol, use_case, depth
            What is read.
        event
            The tick that this read belongs to.
        logged
            Whether the tick itself was recorded; False for one put between recorded ones.
        """
        if self._truth(symbol) is None:
            # A hole of the recording: no venue could be asked, and nothing could be judged.
            self.in_holes[symbol] += 1
            return
        begun = eager.start(self._read(symbol, use_case, depth, event, logged))
        if isinstance(begun, asyncio.Task):
            self._waiting.add(begun)
            begun.add_done_callback(self._ended)

    async def finish(self) -> None:
        """Wait for the reads that still wait, and raise what went wrong in any."""
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
        """A tick reads through its stage, for pricing or for a guard; what else a bot reads asks the cache itself."""
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
        """What the bot hands to its collector."""
        collector = self._collector
        try:
            if market is not None and market.bids and market.asks:
                collector.record_book(symbol, *market.bids[0], *market.asks[0])
            if tick is not None:
                # The tick as it would have been: the rest of it as recorded, the read as replayed.
                recorded_ms = (tick.stage_latencies or {}).get("fetch_md")
                total_ms: float = tick.tick_total_ms
                if recorded_ms is not None:
                    total_ms = max(0.0, total_ms - recorded_ms) + fetch_ms
                collector.record_tick(symbol, total_ms)
                for _ in range((tick.n_quotes or 0) * (tick.sample_rate or 1)):
                    collector.record_quote(symbol)
        except BadObservation:
            self.refused_observations += 1
