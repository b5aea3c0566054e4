"""Matching with a queue: when a resting quote of ours would have been filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Match(NamedTuple):
    """A quote that was filled: whose, at what price, how much."""

    quote_id: str
    price: int
    qty: int


@dataclass(slots=True)
class Resting:
    """A quote of ours in the book; prices in ticks, quantities in lots.

    ``ahead`` is what stands before us at our price.
    """

    quote_id: str
    sign: int
    """+1 buy, -1 sell."""
    price: int
    left: int
    ahead: int


class QueueMatching:
    """Our quotes of one symbol against its trades, first in first out.

    Three things move a quote: a trade at its price eats what is ahead and then the quote; a level that shrank below
    what stood ahead means that those ahead left; and a market that trades or quotes through its price fills it whole.
    Our own quotes are small: they do not change the market.

    >>> matching = QueueMatching()
    >>> matching.place("q", +1, price=100, qty=5, ahead=10)
    >>> matching.trade(-1, price=100, qty=12)  # a seller takes the 10 ahead of us, and 2 of ours
    [Match(quote_id='q', price=100, qty=2)]
    >>> matching.best(bid=97, ask=99)  # the market quotes through us: we must have been hit for the rest
    [Match(quote_id='q', price=100, qty=3)]
    """

    __slots__ = ("_quotes",)

    def __init__(self) -> None:
        self._quotes: dict[str, Resting] = {}

    def place(self, quote_id: str, sign: int, price: int, qty: int, ahead: int) -> None:
        """A quote joins the queue at its price behind ``ahead`` lots."""
        if qty <= 0 or ahead < 0 or sign not in (1, -1):
            raise ValueError(f"no such quote: sign {sign}, qty {qty}, ahead {ahead}")
        self._quotes[quote_id] = Resting(quote_id, sign, price, qty, ahead)

    def cancel(self, quote_id: str) -> Resting | None:
        """Take a quote out; None where it is not there any more."""
        return self._quotes.pop(quote_id, None)

    def get(self, quote_id: str) -> Resting | None:
        """A quote as it stands now."""
        return self._quotes.get(quote_id)

    def trade(self, aggressor: int, price: int, qty: int) -> list[Match]:
        """A trade of the market: ``aggressor`` +1 bought, -1 sold."""
        matches = []
        for quote in [*self._quotes.values()]:
            if quote.sign == aggressor:
                continue
            through = (price - quote.price) * quote.sign < 0
            if through:
                matches.append(self._fill(quote, quote.left))
            elif price == quote.price:
                eaten = max(0, qty - quote.ahead)
                quote.ahead = max(0, quote.ahead - qty)
                if eaten:
                    matches.append(self._fill(quote, min(eaten, quote.left)))
        return matches

    def level(self, sign: int, price: int, qty: int) -> None:
        """The level at ``price`` now shows ``qty`` lots: no more than that can stand ahead of us."""
        for quote in self._quotes.values():
            if quote.sign == sign and quote.price == price and quote.ahead > qty:
                quote.ahead = qty

    def best(self, bid: int, ask: int) -> list[Match]:
        """The market's best prices moved: quotes that they passed are filled."""
        passed = [
            quote for quote in self._quotes.values() if (ask <= quote.price if quote.sign > 0 else bid >= quote.price)
        ]
        return [self._fill(quote, quote.left) for quote in passed]

    def _fill(self, quote: Resting, qty: int) -> Match:
        quote.left -= qty
        if not quote.left:
            del self._quotes[quote.quote_id]
        return Match(quote.quote_id, quote.price, qty)
