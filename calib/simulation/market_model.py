"""One symbol's market at the venue: its mid, its depth, its trades, and our quotes among them."""

from __future__ import annotations

from typing import NamedTuple

from calib.exchange_sim.matching import Match, QueueMatching
from calib.market import Delta
from calib.simulation.depth import Changes, Depth
from calib.simulation.instruments import Instrument
from calib.simulation.market import Book, Market
from calib.simulation.market_order_flow import MarketOrder, MarketOrderFlow
from calib.simulation.named_rng import NamedRng


class Print(NamedTuple):
    """A trade of the market: ``aggressor`` +1 bought, -1 sold; ticks and lots."""

    aggressor: int
    price: int
    lots: int


class StepResult(NamedTuple):
    """What one step brought: messages for the stream, prints for the tape, fills of our quotes."""

    deltas: list[Delta]
    prints: list[Print]
    matches: list[Match]


class MarketModel:
    """The venue's truth of one symbol, moved step by step.

    Parameters
    ----------
    instrument
        What is traded.
    names
        What its streams of draws are named after: the seed and the hour.
    step_s
        Length of a step, s.
    """

    __slots__ = ("_depth", "_instrument", "_last_id", "_market", "_step_s", "_tape", "matching")

    def __init__(self, instrument: Instrument, names: tuple[str | int, ...], step_s: float) -> None:
        self._instrument = instrument
        self._step_s = step_s
        self._market = Market(instrument, NamedRng(*names, "market", instrument.name), step_s)
        self._depth = Depth(instrument, NamedRng(*names, "depth", instrument.name))
        self._tape = MarketOrderFlow(instrument, NamedRng(*names, "tape", instrument.name))
        self._last_id = 1_000_000
        self.matching = QueueMatching()

    @property
    def best(self) -> Book:
        """The true best prices."""
        return self._market.book

    def lots_at(self, sign: int, price: int) -> int:
        """What stands at a price on the side of a quote of that sign: the queue that it joins."""
        return (self._depth.bids if sign > 0 else self._depth.asks).get(price, 0)

    def open(self) -> Delta:
        """The first book, as one delta on an empty one."""
        return self._delta(self._depth.step(self._market.book))

    def step(self) -> StepResult:
        """The next step: the mid moves, levels change, market orders arrive."""
        happened = StepResult([], [], [])
        self._market.step()
        self._follow(happened)
        for order in self._tape.orders(self._market.book.mid_h, self._step_s):
            self._execute(order, happened)
        return happened

    def jump(self, ticks: int) -> StepResult:
        """The market jumps by that many ticks at once."""
        happened = StepResult([], [], [])
        self._market.push(2 * ticks)
        self._follow(happened)
        return happened

    def take(self, aggressor: int, lots: int) -> list[Print]:
        """Our own market order: what it is filled at, level by level; it does not move the model's mid."""
        levels = self._depth.asks if aggressor > 0 else self._depth.bids
        prints = []
        for price in sorted(levels, reverse=aggressor < 0):
            taken = min(lots, levels[price])
            prints.append(Print(aggressor, price, taken))
            lots -= taken
            if not lots:
                break
        return prints

    def _follow(self, happened: StepResult) -> None:
        """Bring the depth behind the best prices, and our quotes with it."""
        best = self._market.book
        changes = self._depth.step(best)
        happened.deltas.append(self._delta(changes))
        for sign, levels in ((+1, changes.bids), (-1, changes.asks)):
            for price, lots in levels.items():
                if lots:
                    self.matching.level(sign, price, lots)
        happened.matches.extend(self.matching.best(best.bid, best.ask))

    def _execute(self, order: MarketOrder, happened: StepResult) -> None:
        levels = self._depth.asks if order.aggressor > 0 else self._depth.bids
        stood = dict(levels)
        changes = self._depth.take(order.aggressor, order.limit, order.share)
        taken = {price: stood[price] - left for price, left in (changes.bids | changes.asks).items()}
        if taken:
            happened.deltas.append(self._delta(changes))
            happened.prints.extend(Print(order.aggressor, price, lots) for price, lots in taken.items() if lots)
        # At a price where no one else stands, an order that reaches it meets us alone.
        at_limit = taken.get(order.limit, self._instrument.quote_lots)
        happened.matches.extend(self.matching.trade(order.aggressor, order.limit, at_limit))
        self._market.push(self._tape.impact_half_ticks(order))
        self._follow(happened)

    def _delta(self, changes: Changes) -> Delta:
        first_id = self._last_id + 1
        self._last_id += max(1, len(changes.bids) + len(changes.asks))
        price, qty = self._instrument.price, self._instrument.qty
        return Delta(
            [(price(ticks), qty(lots)) for ticks, lots in changes.bids.items()],
            [(price(ticks), qty(lots)) for ticks, lots in changes.asks.items()],
            self._last_id,
            first_id=first_id,
        )
