"""The main loop of a replay: recorded lines in time order, with reads and refreshes between them, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, Final

from calib.clock import NS_PER_S, VirtualClock
from calib.errors import BadObservation
from calib.exchange_sim.faults import FaultScript
from calib.exchange_sim.snapshot_endpoint import SnapshotEndpoint
from calib.features import FeatureCollector
from calib.files import AnonymousTempFile
from calib.market import BookView, MDCache, OrderBook, UseCase
from calib.recorded.sequence_detection import EVERY, numbering_of, rule_for
from calib.recorded.true_book import TrueBook
from calib.replay.expand import expanded
from calib.replay.fault_injector import FaultInjector
from calib.replay.grid import FeatureGrid
from calib.replay.heartbeats import Heartbeats
from calib.replay.reader import Reader
from calib.replay.recording import Recording
from calib.replay.scheduler import MAX_SILENCE_US, NS_PER_US, Scheduler
from calib.replay.settings import ReplaySettings
from calib.replay.sources import US_PER_S, Event, EventKind
from calib.virtual_loop import VirtualLoop

_MAX_HEAD: Final = 10_000
_USE_CASES: Final = frozenset(UseCase)
_COUNTED: Final = {
    "book": EventKind.BOOK,
    "trades": EventKind.TRADES,
    "ticks": EventKind.TICKS,
    "fills": EventKind.FILLS,
}
_TRADES: Final = EventKind.TRADES  # trades and books prove that the recording continues


class Driver:
    """One replay; the result depends only on the parameters.

    Parameters
    ----------
    settings
        The settings of the replay.
    events
        The recorded lines in time order.
    start_us
        Start of the range, Unix us; None: the full second of the first line. Book lines before it only build the books
        with which the range starts.
    with_deltas
        The symbols with deltas in the range, see `calib.recorded.sequence_detection.is_pushed`.
    progress
        Receives the number of lines processed since the last call.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        events: Iterable[Event],
        *,
        start_us: int | None = None,
        with_deltas: Container[str] = EVERY,
        progress: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        self._with_deltas = with_deltas
        self.recording = Recording()
        self.file = AnonymousTempFile()
        """Holds read samples that do not fit into memory; close it after the outcome is created."""
        self._events = iter(events)
        self._head, numberings = _look_ahead(self._events)
        self.rule = settings.rule or rule_for(numberings)
        first_us = self._head[0].us if self._head else 0
        self.start_us = first_us // US_PER_S * US_PER_S if start_us is None else start_us
        self._progress = progress
        self._clock = VirtualClock(self.start_us / US_PER_S)
        self._books: dict[str, TrueBook] = {}
        self._readable: list[str] = []
        self.collector = FeatureCollector(clock=self._clock)
        every_us = settings.features_every_us
        self.grid = None if every_us is None else FeatureGrid(every_us)
        self._last_line_us: dict[str, int] = {}

    def run(self, loop: VirtualLoop) -> None:
        """Run the replay; call it by `calib.virtual_loop.drive`, with a loop that has this driver's `clock`."""
        settings, clock = self.settings, self._clock
        faults = FaultScript(settings.faults)
        self.endpoint = SnapshotEndpoint(clock, self._true_view, latency=settings.latency.source_of_ns(), faults=faults)
        # Seeded: the jitter of backoffs must be the same in every run.
        self.cache = MDCache(settings.cache_config(self.rule), self._refresh, clock=clock, rng=random.Random(0))
        self.injector = FaultInjector(self.cache, clock, faults) if settings.fill == "stream" else None
        if self.injector is not None:
            self.injector.connect()
        self.reader = Reader(
            self.cache,
            self.endpoint,
            self.collector,
            clock,
            truth=self._true_book,
            last_id=self._last_id if self.injector is not None else lambda _: None,
            direct=settings.latency.source_of_ns(),
            file=self.file,
        )
        self._scheduler = Scheduler(
            loop,
            self.start_us,
            self.recording,
            read_every_us=settings.read_every_us,
            read=self._read_all,
            grid_every_us=settings.features_every_us,
            take_grid=self._take_grid,
        )
        self._replay(loop, self._scheduler)
        loop.finish(self.reader.finish())
        self.cache_summary: Mapping[str, Any] = self.cache.metrics_summary()
        self.streams = {symbol: self._stream_counts(symbol) for symbol in sorted(self._books)}
        loop.finish(self.cache.close())

    @property
    def clock(self) -> VirtualClock:
        """The virtual clock of the replay."""
        return self._clock

    @property
    def books(self) -> Mapping[str, TrueBook]:
        """The true books by symbol."""
        return self._books

    def now_us(self) -> int:
        """The time of the replay, Unix us."""
        return self.start_us + self._clock.monotonic_ns() // NS_PER_US

    # --- main loop

    def _replay(self, loop: VirtualLoop, scheduler: Scheduler) -> None:
        handlers = (self._book, self._trade, self._alive, self._tick, self._fill)  # by `EventKind`
        counts = [0] * len(handlers)
        start_us = last_us = self.start_us
        clock, last_line_us = self._clock, self._last_line_us
        heartbeats = Heartbeats(loop, scheduler, None if self.injector is None else self.injector.coalesce_us)
        events = chain(self._head, self._events)
        for count, event in enumerate(expanded(events) if self.settings.expand else events):
            if not count & 4095:
                self._progress(4096.0)
            us, kind, _, _, record, added = event
            if us < heartbeats.until_us and kind == _TRADES:
                counts[kind] += 1
                last_line_us[record.symbol] = us
                heartbeats.skipped = event
                continue
            if heartbeats.skipped is not None:
                last_us = self._deliver_skipped(scheduler, heartbeats)
            if us < start_us:
                self._warm_up(event)
                continue
            if us < scheduler.idle_until_us and loop.scheduled == scheduler.scheduled:
                if kind <= _TRADES:
                    scheduler.last_market_us = us
                clock.reach_ns((us - start_us) * NS_PER_US)
            else:
                scheduler.advance(us, is_market=kind <= _TRADES)
            if not added:
                counts[kind] += 1
            handlers[kind](event)
            if kind == _TRADES:
                heartbeats.delivered(us)
            else:
                heartbeats.until_us = 0
            if us > last_us:
                last_us = us
        if heartbeats.skipped is not None:
            last_us = self._deliver_skipped(scheduler, heartbeats)
        scheduler.finish(last_us)
        counted = {name: counts[kind] for name, kind in _COUNTED.items() if counts[kind]}
        self.recording.lines.update(counted)
        self.recording.last_us = last_us if counted else None

    def _deliver_skipped(self, scheduler: Scheduler, heartbeats: Heartbeats) -> int:
        """Deliver the last of the skipped trades; returns its time, Unix us."""
        skipped, heartbeats.skipped = heartbeats.skipped, None
        assert skipped is not None
        scheduler.last_market_us = skipped.us
        self._clock.reach_ns((skipped.us - self.start_us) * NS_PER_US)
        self._trade(skipped)
        return skipped.us

    def _warm_up(self, event: Event) -> None:
        if event.kind == EventKind.BOOK:
            self._true(event.record).apply(event.record, 0, delivered=False)

    def _read_all(self, at_us: int) -> None:
        """A scheduled read of every symbol whose recording has not been silent for too long."""
        settings = self.settings
        for symbol in self._readable:
            if at_us - self._last_line_us[symbol] <= MAX_SILENCE_US:
                self.reader.read(symbol, settings.use_case, self._depth(settings.depth))

    def _take_grid(self, at_us: int) -> None:
        assert self.grid is not None
        self.grid.take(at_us, self.collector)

    # --- handlers of events

    def _book(self, event: Event) -> None:
        record = event.record
        self._last_line_us[record.symbol] = event.us
        if record.ts_exchange is not None and (lag_s := record.ts - record.ts_exchange) < 0:
            self.recording.negative_lag += 1
            self.recording.min_lag_s = min(lag_s, self.recording.min_lag_s or 0.0)
        book = self._true(record)
        book.apply(record, self._clock.monotonic_ns())
        if book.known_since_ns is not None and not book.readable:
            self._open(record.symbol, book, event.us)

    def _trade(self, event: Event) -> None:
        self._last_line_us[event.record.symbol] = event.us
        if self.injector is not None:
            self.injector.on_alive(event.record.symbol)

    def _alive(self, event: Event) -> None:
        if self.injector is not None:
            self.injector.on_alive(event.record.symbol)

    def _tick(self, event: Event) -> None:
        tick = event.record
        book = self._books.get(tick.symbol)
        if book is None or book.known_since_ns is None:
            self.recording.ticks_without_book[tick.symbol] += 1
            return
        if event.us - self._last_line_us.get(tick.symbol, self.start_us) > MAX_SILENCE_US:
            self.recording.ticks_in_silence[tick.symbol] += 1
            return
        use_case = tick.use_case or self.settings.use_case
        if use_case not in _USE_CASES:
            self.recording.unknown_use_cases[use_case] += 1
            use_case = self.settings.use_case
        self.recording.reads_added += event.added
        depth = self._depth(tick.depth or self.settings.depth)
        self.reader.read(tick.symbol, use_case, depth, event, logged=not event.added)

    def _fill(self, event: Event) -> None:
        fill = event.record
        try:
            self.collector.record_fill(
                fill.symbol,
                fill.side,
                fill.price,
                fill.liquidity,
                quote_price=fill.quote_price,
                mid_at_quote=fill.mid_at_quote,
                mid_now=fill.mid_now,
                fee_bps=fill.fee_bps or 0.0,
                slip_bps=fill.slip_bps,
            )
        except BadObservation:
            self.recording.refused_fills += 1

    # --- helpers

    def _true(self, record: Any) -> TrueBook:
        book = self._books.get(record.symbol)
        if book is None:
            book = self._books[record.symbol] = self._new_book(record.symbol)
        if not book.numbered and record.type == "delta":
            book.numbered = True
            if self.settings.rule is None:
                rule_for([numbering_of(record), self.rule])
        return book

    def _new_book(self, symbol: str) -> TrueBook:
        if self.injector is None:
            return TrueBook(symbol, self.rule, with_deltas=self._with_deltas)
        return TrueBook(
            symbol,
            self.rule,
            deliver=self.injector.on_book,
            primary=partial(self._cached_book, symbol),
            with_deltas=self._with_deltas,
        )

    def _cached_book(self, symbol: str) -> OrderBook | None:
        stream = self.cache.stream(symbol)
        return None if stream is None else stream.book

    def _open(self, symbol: str, book: TrueBook, us: int) -> None:
        """The true book of a symbol is known for the first time: start reading it."""
        book.readable = True
        self._readable = sorted([*self._readable, symbol])
        self._scheduler.start_reading(us)

    def _depth(self, depth: int) -> int:
        limit = self.settings.md_cache.max_depth
        self.recording.depths_cut += depth > limit
        return max(1, min(depth, limit))

    def _true_view(self, symbol: str, depth: int) -> BookView | None:
        book = self._books.get(symbol)
        return None if book is None else book.view(depth)

    def _true_book(self, symbol: str) -> OrderBook | None:
        return self._books[symbol].book

    def _last_id(self, symbol: str) -> int | None:
        return None if self.injector is None else self.injector.last_id(symbol)

    async def _refresh(self, symbol: str, depth: int) -> Mapping[str, Any]:
        # The body has no source, so ``md_cache.refresh_source`` decides: rest by default.
        return await self.endpoint.snapshot(symbol, depth)

    def _stream_counts(self, symbol: str) -> dict[str, Any] | None:
        stream = self.cache.stream(symbol)
        if stream is None:
            return None
        counts = {str(name): count for name, count in sorted(stream.counts.items())}
        return {"counts": counts, "out_of_sync_s": stream.out_of_sync_ns(self._clock.monotonic_ns()) / NS_PER_S}


def _look_ahead(events: Iterator[Event]) -> tuple[list[Event], list[str]]:
    """The first events up to the first delta, and the id scheme of that delta."""
    head: list[Event] = []
    for event in events:
        head.append(event)
        if event.kind == EventKind.BOOK and event.record.type == "delta":
            return head, [numbering_of(event.record)]
        if len(head) >= _MAX_HEAD:
            break
    return head, []
