"""Our orders at the venue: resting quotes, fills, inventory, hedges, and their log lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from calib.exchange_sim.matching import Match
from calib.pipeline import NO_STAMP, CacheStamp
from calib.simulation.closed_loop.socket import Sink
from calib.simulation.instruments import Instrument
from calib.simulation.market import Book
from calib.simulation.market_model import MarketModel
from calib.simulation.records import Execution, Quote, Record, RecordBuilder

HEDGE_AT: Final = 3
"""Inventory limit in quote sizes: at this limit the bot closes the whole position with a market order."""

Report = Callable[[Record], None]
"""Receives a fill at the time of the match; logs it when the bot receives the report."""


class Account:
    """The bot's orders of one symbol during one hour; it starts flat and without quotes.

    Parameters
    ----------
    instrument, model, records
        The symbol, its market, and the builder of log lines.
    report
        Receives each fill with its line; ``ts`` is the venue's time until the bot receives the report.
    sink
        Receives the lines of the quotes feed.
    """

    __slots__ = (
        "_instrument",
        "_inventory",
        "_model",
        "_orders",
        "_records",
        "_report",
        "_resting",
        "_sink",
        "_stamp",
        "_trades",
    )

    def __init__(
        self, instrument: Instrument, model: MarketModel, records: RecordBuilder, report: Report, sink: Sink
    ) -> None:
        self._instrument, self._model, self._records = instrument, model, records
        self._report, self._sink = report, sink
        self._resting: dict[int, Quote] = {}
        self._inventory = 0
        self._orders = self._trades = 0
        self._stamp = NO_STAMP

    @property
    def inventory_share(self) -> float:
        """Inventory divided by its limit, -1 to 1."""
        return max(-1.0, min(1.0, self._inventory / (HEDGE_AT * self._instrument.quote_lots)))

    def send(
        self,
        seen: Book,
        prices: Mapping[int, int],
        sent_us: int,
        opened_us: int,
        stamp: CacheStamp = NO_STAMP,
    ) -> int:
        """Hedge if the limit is reached and replace quotes whose price changed; returns the number of orders sent.

        A quote with an unchanged price keeps its place in the queue. A quote that would cross the spread is rejected by
        the venue (post-only). ``stamp`` describes the book that the decision was based on.
        """
        self._stamp = stamp
        sent = self._hedge(seen, sent_us, opened_us)
        for side, price in prices.items():
            resting = self._resting.get(side)
            if resting is not None and resting.price == price:
                continue
            self._close(side, opened_us, "replaced")
            sent += 1
            quote = self._order(side, price, self._instrument.quote_lots, seen, sent_us, opened_us)
            best = self._model.best
            if price >= best.ask if side > 0 else price <= best.bid:
                self._sink("quotes", self._records.quote(quote, opened_us, "cancelled"))
                continue
            quote.queue_lots = self._model.lots_at(side, price)
            self._model.matching.place(str(quote.number), side, price, quote.lots, quote.queue_lots)
            self._resting[side] = quote
        return sent

    def on_matches(self, matches: list[Match], at_us: int) -> None:
        """Apply fills of our quotes."""
        for match in matches:
            quote = next(quote for quote in self._resting.values() if str(quote.number) == match.quote_id)
            quote.filled_lots += match.qty
            self._execute(quote, match.price, match.qty, at_us, taker=False)
            if quote.filled_lots == quote.lots:
                del self._resting[quote.side]
                self._sink("quotes", self._records.quote(quote, at_us, "filled"))

    def queues(self) -> Iterator[tuple[str, float, float]]:
        """For each resting quote: its id, the quantity ahead and the remaining quantity, base units."""
        for quote in self._resting.values():
            resting = self._model.matching.get(str(quote.number))
            if resting is not None:
                yield str(quote.number), self._instrument.qty(resting.ahead), self._instrument.qty(resting.left)

    def cancel_all(self, at_us: int) -> None:
        """Cancel every quote."""
        for side in (+1, -1):
            self._close(side, at_us, "cancelled")

    def _order(self, side: int, price: int, lots: int, seen: Book, sent_us: int, opened_us: int) -> Quote:
        self._orders += 1
        mid_h = self._model.best.mid_h
        return Quote(self._orders, side, price, lots, seen, mid_h, sent_us, opened_us, stamp=self._stamp)

    def _hedge(self, seen: Book, sent_us: int, at_us: int) -> int:
        """At the limit, close the whole position with a market order."""
        if abs(self._inventory) < HEDGE_AT * self._instrument.quote_lots:
            return 0
        side = -1 if self._inventory > 0 else +1
        quote = self._order(side, seen.ask if side > 0 else seen.bid, abs(self._inventory), seen, sent_us, at_us)
        for taken in self._model.take(side, quote.lots):
            quote.filled_lots += taken.lots
            self._execute(quote, taken.price, taken.lots, at_us, taker=True)
        self._sink("quotes", self._records.quote(quote, at_us, "filled"))
        return 1

    def _execute(self, quote: Quote, price: int, lots: int, at_us: int, *, taker: bool) -> None:
        self._trades += 1
        self._inventory += quote.side * lots
        mid_h = self._model.best.mid_h
        self._report(self._records.fill(Execution(quote, self._trades, price, lots, mid_h, at_us, at_us, taker)))

    def _close(self, side: int, at_us: int, reason: str) -> None:
        quote = self._resting.pop(side, None)
        if quote is not None:
            self._model.matching.cancel(str(quote.number))
            self._sink("quotes", self._records.quote(quote, at_us, reason))
