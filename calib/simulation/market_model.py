"""The market of one symbol at the venue: its mid, its depth, its trades, and our quotes."""

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
    """The result of one step: messages for the stream, trades of the market, fills of our quotes."""

    deltas: list[Delta]
    prints: list[Print]
    matches: list[Match]


class MarketModel:
    """The market of one symbol at the venue, advanced step by step.

    Parameters
    ----------
    instrument
        The instrument.
    names
        Names of its random streams: the seed and the hour.
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
        """The quantity at a price, on the side of a quote of that sign: the queue that the quote joins."""
        return (self._depth.bids if sign > 0 else self._depth.asks).get(price, 0)

    def open(self) -> Delta:
        """The initial book, as a delta on an empty one."""
        return self._delta(self._depth.step(self._market.book))

    def step(self) -> StepResult:
        """Advance one step: the mid moves, levels change, market orders arrive."""
        result = StepResult([], [], [])
        self._market.step()
        self._refresh_depth(result)
        for order in self._tape.orders(self._market.book.mid_h, self._step_s):
            self._execute(order, result)
        return result

    def jump(self, ticks: int) -> StepResult:
        """Move the market by that many ticks at once."""
        result = StepResult([], [], [])
        self._market.move_mid(2 * ticks)
        self._refresh_depth(result)
        return result

    def take(self, aggressor: int, lots: int) -> list[Print]:
        """Our own market order: its fills, level by level; it does not move the mid of the model."""
        levels = self._depth.asks if aggressor > 0 else self._depth.bids
        prints = []
        for price in sorted(levels, reverse=aggressor < 0):
            taken = min(lots, levels[price])
            prints.append(Print(aggressor, price, taken))
            lots -= taken
            if not lots:
                break
        return prints

    def _refresh_depth(self, result: StepResult) -> None:
        """Update the depth for the current best prices, and match our quotes against them."""
        best = self._market.book
        changes = self._depth.step(best)
        result.deltas.append(self._delta(changes))
        for sign, levels in ((+1, changes.bids), (-1, changes.asks)):
            for price, lots in levels.items():
                if lots:
                    self.matching.level(sign, price, lots)
        result.matches.extend(self.matching.best(best.bid, best.ask))

    def _execute(self, order: MarketOrder, result: StepResult) -> None:
        levels = self._depth.asks if order.aggressor > 0 else self._depth.bids
        stood = dict(levels)
        changes = self._depth.take(order.aggressor, order.limit, order.share)
        taken = {price: stood[price] - left for price, left in (changes.bids | changes.asks).items()}
        if taken:
            result.deltas.append(self._delta(changes))
            result.prints.extend(Print(order.aggressor, price, lots) for price, lots in taken.items() if lots)
        # If no one else has an order at that price, an order that reaches it is matched with our quote alone.
        at_limit = taken.get(order.limit, self._instrument.quote_lots)
        result.matches.extend(self.matching.trade(order.aggressor, order.limit, at_limit))
        self._market.move_mid(self._tape.impact_half_ticks(order))
        self._refresh_depth(result)

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
