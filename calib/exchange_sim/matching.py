"""Matching with a queue: when a resting quote of ours is filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Match(NamedTuple):
    """A fill of one of our quotes."""

    quote_id: str
    price: int
    qty: int


@dataclass(slots=True)
class Resting:
    """A resting quote of ours; prices in ticks, quantities in lots.

    ``ahead`` is the quantity ahead of us at our price.
    """

    quote_id: str
    sign: int
    """+1 buy, -1 sell."""
    price: int
    left: int
    ahead: int


class QueueMatching:
    """Our quotes of one symbol, matched against its trades in price-time priority.

    Three events fill a quote or move it up: a trade at its price consumes the quantity ahead and then the quote; a
    level that shrinks below the quantity ahead shows that orders ahead were cancelled; and a market that trades or
    quotes through its price fills it completely. Our quotes are assumed too small to affect the market.

    >>> matching = QueueMatching()
    >>> matching.place("q", +1, price=100, qty=5, ahead=10)
    >>> matching.trade(-1, price=100, qty=12)  # a seller fills the 10 ahead of us and 2 of ours
    [Match(quote_id='q', price=100, qty=2)]
    >>> matching.best(bid=97, ask=99)  # the market quotes through our price: the rest must have been filled
    [Match(quote_id='q', price=100, qty=3)]
    """

    __slots__ = ("_quotes",)

    def __init__(self) -> None:
        self._quotes: dict[str, Resting] = {}

    def place(self, quote_id: str, sign: int, price: int, qty: int, ahead: int) -> None:
        """Add a quote to the queue at its price, behind ``ahead`` lots."""
        if qty <= 0 or ahead < 0 or sign not in (1, -1):
            raise ValueError(f"invalid quote: sign {sign} (1 or -1), qty {qty} (> 0), ahead {ahead} (>= 0)")
        self._quotes[quote_id] = Resting(quote_id, sign, price, qty, ahead)

    def cancel(self, quote_id: str) -> Resting | None:
        """Remove a quote and return it; None if it is not resting."""
        return self._quotes.pop(quote_id, None)

    def get(self, quote_id: str) -> Resting | None:
        """The quote if it is resting, else None."""
        return self._quotes.get(quote_id)

    def trade(self, aggressor: int, price: int, qty: int) -> list[Match]:
        """Apply a trade of the market: ``aggressor`` +1 bought, -1 sold."""
        matches = []
        for quote in [*self._quotes.values()]:
            if quote.sign == aggressor:
                continue
            through = (price - quote.price) * quote.sign < 0
            if through:
                matches.append(self._fill(quote, quote.left))
            elif price == quote.price:
                filled = max(0, qty - quote.ahead)
                quote.ahead = max(0, quote.ahead - qty)
                if filled:
                    matches.append(self._fill(quote, min(filled, quote.left)))
        return matches

    def level(self, sign: int, price: int, qty: int) -> None:
        """Set the quantity at ``price``: the quantity ahead of us cannot exceed it."""
        for quote in self._quotes.values():
            if quote.sign == sign and quote.price == price and quote.ahead > qty:
                quote.ahead = qty

    def best(self, bid: int, ask: int) -> list[Match]:
        """Set the best prices of the market; quotes that they crossed are filled."""
        passed = [
            quote for quote in self._quotes.values() if (ask <= quote.price if quote.sign > 0 else bid >= quote.price)
        ]
        return [self._fill(quote, quote.left) for quote in passed]

    def _fill(self, quote: Resting, qty: int) -> Match:
        quote.left -= qty
        if not quote.left:
            del self._quotes[quote.quote_id]
        return Match(quote.quote_id, quote.price, qty)
