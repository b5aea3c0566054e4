"""The bot: one tick after another it reads the market, quotes both sides, is filled, and hedges what it carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from calib.simulation import latency
from calib.simulation.chance import Chance
from calib.simulation.fills import Intensity, Queue, join_queue
from calib.simulation.incidents import Kind, Trouble
from calib.simulation.instruments import Instrument
from calib.simulation.market import Book, Market
from calib.simulation.pricing import Pricer
from calib.simulation.reads import Read, draw_read
from calib.simulation.records import Execution, Quote, Record, Scribe
from calib.simulation.rolling import RollingP95

DEADLINE_US: Final = 130_000
"""A tick that takes longer has missed its deadline."""
HEDGE_AT: Final = 3
"""The inventory limit in quote sizes: there the bot crosses the spread for all of it."""
PARTIAL_SHARE: Final = 0.25
"""Share of fills that take only a part of the quote; the rest is cancelled."""
SPLIT_SHARE: Final = 0.15
"""Share of fills that come as two executions, from two counterparties."""
SLOW_STRATEGY: Final = 45.0
"""Factor of a bad deploy on the strategy stage."""


@dataclass(slots=True)
class Tick:
    """What one tick left behind."""

    ts_us: int
    record: Record
    fills: list[Record] = field(default_factory=list)
    quotes: list[Record] = field(default_factory=list)


class Window(NamedTuple):
    """A stretch of time in which a quote rests, microseconds, the end exclusive."""

    start_us: int
    end_us: int


class Bot:
    """The bot of one symbol during one hour; it starts flat, without quotes, and knows nothing.

    Parameters
    ----------
    instrument, market, chance, trouble
        What it trades, where, its own stream of draws, and what goes wrong.
    scribe
        Makes its log lines.
    start_us
        Unix microseconds of the hour's beginning.
    """

    def __init__(
        self, instrument: Instrument, market: Market, chance: Chance, trouble: Trouble, scribe: Scribe, start_us: int
    ) -> None:
        self._instrument, self._market, self._chance = instrument, market, chance
        self._trouble, self._scribe = trouble, scribe
        self._pricer = Pricer(instrument, chance)
        self._intensity = Intensity(instrument)
        self._bursts = latency.Bursts(chance, start_us)
        self._p95 = {stage: RollingP95() for stage in ("fetch_md", *latency.STAGES)}
        self._resting: dict[int, Quote] = {}
        self._inventory = 0
        self._orders = self._trades = 0
        self._closed: list[Record] = []
        self._filled: list[Record] = []

    def tick(self, now_us: int, end_us: int, before: Book) -> Tick:
        """One tick at ``now_us``; the next one, or the end, is at ``end_us``.

        Parameters
        ----------
        now_us, end_us
            Unix microseconds. The market has just moved; until ``end_us`` only our own fills move it.
        before
            The book before that move: what a stale read still shows.
        """
        read, stages = self._work(now_us)
        seen = before if read.stale else self._market.book
        total_us = sum(stages.values())
        # A tick that overruns its successor's start would have two generations of quotes at once: it is cut there.
        acknowledged_us = min(now_us + total_us, end_us)
        sent_us = max(now_us, acknowledged_us - stages["quote"])
        self._rest(Window(now_us, acknowledged_us))
        sent = self._hedge(seen, sent_us, acknowledged_us)
        sent += self._requote(now_us, seen, sent_us, acknowledged_us)
        self._rest(Window(acknowledged_us, end_us))
        p95s = {stage: window.us for stage, window in self._p95.items()}
        record = self._scribe.tick(now_us, stages, p95s, read, seen, sent, DEADLINE_US)
        tick = Tick(now_us, record, self._filled, self._closed)
        self._filled, self._closed = [], []
        return tick

    def stop(self, now_us: int) -> list[Record]:
        """Every quote is cancelled; their quotes lines."""
        for side in (+1, -1):
            self._close(side, now_us, "cancelled")
        closed, self._closed = self._closed, []
        return closed

    def _work(self, now_us: int) -> tuple[Read, dict[str, int]]:
        slow = self._bursts.factor(now_us)
        silence = self._trouble.at(Kind.SILENCE, now_us)
        read = draw_read(self._chance, slow, None if silence is None else now_us - silence.start_us)
        stages = {"fetch_md": read.fetch_us}
        bad = self._trouble.at(Kind.BAD_DEPLOY, now_us) is not None
        for stage, duration in latency.STAGES.items():
            factor = slow * SLOW_STRATEGY if bad and stage == "strategy" else slow
            stages[stage] = duration.draw(self._chance, factor)
        for stage, us in stages.items():
            self._p95[stage].add(us)
        return read, stages

    def _requote(self, now_us: int, seen: Book, sent_us: int, acknowledged_us: int) -> int:
        """Send what changed; a quote whose price stands keeps its place in the queue. Gives the number sent."""
        limit = HEDGE_AT * self._instrument.quote_lots
        too_close = self._trouble.at(Kind.BAD_DEPLOY, now_us) is not None
        share = max(-1.0, min(1.0, self._inventory / limit))
        sent = 0
        for side, price in self._pricer.prices(seen, share, too_close=too_close).items():
            resting = self._resting.get(side)
            if resting is not None and resting.price == price:
                continue
            self._close(side, acknowledged_us, "replaced")
            sent += 1
            quote = self._order(side, price, self._instrument.quote_lots, seen, sent_us, acknowledged_us)
            if self._crosses(quote):  # post-only: the venue refuses what would take
                self._closed.append(self._scribe.quote(quote, acknowledged_us, "cancelled"))
            else:
                self._resting[side] = quote
        return sent

    def _order(self, side: int, price: int, lots: int, seen: Book, sent_us: int, opened_us: int) -> Quote:
        self._orders += 1
        queue = join_queue(self._chance, self._instrument)
        return Quote(self._orders, side, price, lots, seen, self._market.book.mid_h, sent_us, opened_us, queue)

    def _crosses(self, quote: Quote) -> bool:
        book = self._market.book
        return quote.price >= book.ask if quote.side > 0 else quote.price <= book.bid

    def _rest(self, window: Window) -> None:
        """The resting quotes wait through the window; whichever is filled is closed."""
        for side in (+1, -1):
            quote = self._resting.get(side)
            if quote is None:
                continue
            delta_h = side * (self._market.book.mid_h - 2 * quote.price)
            rate = self._intensity.per_s(delta_h) * quote.queue.weight
            after_us = self._intensity.time_to_fill_us(self._chance, rate, window.end_us - window.start_us)
            if after_us is not None:
                self._fill(quote, window.start_us + after_us)

    def _fill(self, quote: Quote, at_us: int) -> None:
        quote.filled_lots = quote.lots
        if self._chance.happens(PARTIAL_SHARE):
            quote.filled_lots = self._chance.between(1, quote.lots)
        self._impact(quote.side)
        parts = [quote.filled_lots]
        if quote.filled_lots > 1 and self._chance.happens(SPLIT_SHARE):
            first = self._chance.between(1, quote.filled_lots - 1)
            parts = [first, quote.filled_lots - first]
        for lots in parts:
            self._execute(quote, quote.price, lots, at_us, taker=False)
        self._close(quote.side, at_us, "filled" if quote.filled_lots == quote.lots else "cancelled")

    def _impact(self, side: int) -> None:
        """Who sold to us knew something: the mid moves away from what we now hold."""
        mean_h = self._instrument.impact_bps * self._instrument.half_ticks_per_bps
        self._market.push(-side * round(self._chance.exponential(mean_h)))

    def _hedge(self, seen: Book, sent_us: int, at_us: int) -> int:
        """Past the limit, take the whole inventory off at the touch or up to two ticks behind it."""
        if abs(self._inventory) < HEDGE_AT * self._instrument.quote_lots:
            return 0
        side = -1 if self._inventory > 0 else +1
        aimed, found = (seen.ask, self._market.book.ask) if side > 0 else (seen.bid, self._market.book.bid)
        quote = self._order(side, aimed, abs(self._inventory), seen, sent_us, at_us)
        quote.queue = Queue(0, 1.0)  # nobody stands before an order that takes
        quote.filled_lots = quote.lots
        price = found + side * (0, 0, 0, 1, 1, 2)[self._chance.below(6)]
        self._execute(quote, price, quote.lots, at_us, taker=True)
        self._closed.append(self._scribe.quote(quote, at_us, "filled"))
        return 1

    def _execute(self, quote: Quote, price: int, lots: int, at_us: int, *, taker: bool) -> None:
        self._trades += 1
        self._inventory += quote.side * lots
        received_us = at_us + latency.FILL_REPORT.draw(self._chance)
        done = Execution(quote, self._trades, price, lots, self._market.book.mid_h, at_us, received_us, taker)
        self._filled.append(self._scribe.fill(done))

    def _close(self, side: int, at_us: int, reason: str) -> None:
        quote = self._resting.pop(side, None)
        if quote is not None:
            self._closed.append(self._scribe.quote(quote, at_us, reason))
