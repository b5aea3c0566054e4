"""One side of an order book: every level in a dict, and the keys of the best levels in sorted order."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from operator import neg
from typing import Any, Final, TypeAlias

from calib.errors import BadLevel
from calib.market.book.prices import DIGITS, Number, price_key, quantity

Level: TypeAlias = tuple[float, float]
"""(price, qty)."""

Change: TypeAlias = Sequence[Number]
"""(price, qty) in a venue's format; a quantity of 0 removes the level."""

REACH: Final = 256
"""Minimum number of best levels kept sorted: readers need the touch, and sorting thousands of levels is wasted work."""
_SLACK: Final = 4
_INF: Final = math.inf


class BookSide:
    """The levels of one side of a book.

    Parameters
    ----------
    sign
        1.0 for bids, -1.0 for asks: a price's key is ``sign * price``, so that the best has the highest key.
    reach
        Minimum number of best levels kept sorted; a deeper read increases it.

    Attributes
    ----------
    levels
        price -> qty, every level. `merge` changes this dict in place; every other update replaces it.
    keys
        The keys of the best levels, ascending: the best is last, where inserts and deletes are cheapest. Empty only if
        there are no levels.
    unknown_prices
        None, or a list to which `merge` appends each price that has no level here; used by a mirror of this side.

    >>> bids = BookSide(1.0)
    >>> bids.merge([(99.0, 1.0), ("98.5", "2"), (99.5, 1.0), (99.5, 0.0)])
    >>> bids.cut(5), bids.keys[-1]
    (((99.0, 1.0), (98.5, 2.0)), 99.0)
    """

    # `keys` holds every level whose key is at least `_edge`. Most updates of a deep book are worse than that and change
    # only the dict. When `keys` runs empty, or a reader goes deeper, it is rebuilt from the dict.
    __slots__ = ("_edge", "_reach", "keys", "levels", "sign", "unknown_prices")

    def __init__(self, sign: float, reach: int = REACH) -> None:
        self.sign = sign
        self._reach = reach
        self._edge = -_INF
        self.levels: dict[float, float] = {}
        self.keys: list[float] = []
        self.unknown_prices: list[float] | None = None

    def replace(self, levels: dict[float, float]) -> None:
        """Replace all levels; see `read_levels`."""
        self.levels = levels
        self._sort_best()

    def clear(self) -> None:
        """Remove every level."""
        self.levels, self.keys, self._edge = {}, [], -_INF

    def merge(self, changes: Iterable[Change]) -> None:
        """Set the quantity of each level; 0 removes it. Optimised: plain floats cause no function call.

        Raises
        ------
        BadLevel, TypeError, ValueError
            If a price or quantity is not valid, see `invalid_levels`; the changes before it have been applied. A price
            of 0 with a quantity of 0 is skipped: KuCoin sends it to advance the update id only.
        """
        price: Any
        qty: Any
        levels, keys, sign, edge, unknown_prices = self.levels, self.keys, self.sign, self._edge, self.unknown_prices
        for price, qty in changes:
            if price.__class__ is not float:
                price = float(price) if price.__class__ is str and len(price) <= DIGITS else _key(price)
            if qty.__class__ is not float:
                qty = quantity(qty)
            # A multiple of 1e-8 below 1e7 has at most 15 significant digits, so it is canonical already.
            if price in levels or (
                not (1e-8 <= price < 1e7 and (price * 1e8 + 0.5) // 1.0 / 1e8 == price)
                and (price := price_key(price) if price or qty else 0.0) in levels
            ):
                if 0.0 < qty < _INF:
                    levels[price] = qty
                elif qty == 0.0:
                    del levels[price]
                    if (key := price * sign) >= edge:
                        del keys[bisect_left(keys, key)]
                else:
                    quantity(qty)  # raises the error for this value
                continue
            if unknown_prices is not None:
                unknown_prices.append(price)
            if qty == 0.0:
                continue
            levels[price] = qty if 0.0 < qty < _INF else quantity(qty)
            if (key := price * sign) >= edge:
                insort(keys, key)
        if not keys and levels:
            self._sort_best()

    def trim(self, keep: int) -> None:
        """Remove the deepest levels, so that ``keep`` remain."""
        surplus = len(self.levels) - keep
        if surplus <= 0:
            return
        if len(self.keys) < len(self.levels):
            self._sort_best(len(self.levels))
        for key in self.keys[:surplus]:
            del self.levels[abs(key)]
        del self.keys[:surplus]

    @property
    def best(self) -> Level | None:
        """The best level; None if the side is empty."""
        if not self.keys:
            return None
        price = self.keys[-1] * self.sign
        return price, self.levels[price]

    def cut(self, depth: int) -> tuple[Level, ...]:
        """The best ``depth`` levels, best first."""
        if depth > self._reach:
            self._reach = 2 * depth
        if depth > len(self.keys) < len(self.levels):
            self._sort_best()
        elif len(self.keys) > _SLACK * self._reach:
            del self.keys[: -self._reach]
            self._edge = self.keys[0]
        near = self.keys[: -depth - 1 : -1]
        prices = near if self.sign > 0 else [-key for key in near]
        return tuple(zip(prices, map(self.levels.__getitem__, prices), strict=True))

    @property
    def edge(self) -> float:
        """The key of the worst level; infinite if the side is empty."""
        return min((price * self.sign for price in self.levels), default=_INF)

    def reaches(self, edge: float, count: int = 1) -> bool:
        """Whether at least ``count`` levels have a key of ``edge`` or better.

        >>> asks = BookSide(-1.0)
        >>> asks.merge([(101.0, 1.0), (102.0, 1.0)])
        >>> asks.reaches(-101.5), asks.reaches(-102.0, 2), asks.reaches(-101.5, 2)
        (True, True, False)
        """
        keys = self.keys
        return len(keys) >= count and keys[-count] >= edge

    def count_to(self, edge: float) -> int:
        """Number of sorted levels at ``edge`` or better; at least `REACH` levels are sorted, if they exist."""
        return len(self.keys) - bisect_left(self.keys, edge)

    def problems(self, name: str) -> list[str]:
        """Violated invariants; see `calib.market.OrderBook.problems`."""
        levels, keys, found = self.levels, self.keys, []
        if sorted(set(keys)) != keys:
            found.append(f"the keys of the {name} are not strictly sorted")
        near = {key for price in levels if (key := price * self.sign) >= self._edge}
        if near != set(keys) or (levels and not keys):
            found.append(f"the keys of the {name} are not those of their levels")
        found += [f"the {name} hold {price!r} with {qty!r}" for price, qty in levels.items() if not 0 < qty < _INF]
        found += [f"{price!r} of the {name} is not a canonical price" for price in levels if price_key(price) != price]
        return found

    def _sort_best(self, count: int = 0) -> None:
        """Sort the best levels again: ``count`` of them, at least as many as are read."""
        count = max(count, self._reach)
        keys = sorted(self.levels if self.sign > 0 else map(neg, self.levels))
        self._edge = -_INF
        if len(keys) > count:
            del keys[:-count]
            self._edge = keys[0]
        self.keys = keys


def _key(price: Any) -> float:
    return price_key(price) if price else 0.0  # the caller decides about 0, which is allowed with quantity 0


def read_levels(changes: Iterable[Change]) -> dict[float, float]:
    """The levels of one side of a snapshot, price -> qty: without quantity 0; a repeated price keeps its last quantity.

    Raises
    ------
    BadLevel
        If a price or quantity is not valid.
    """
    price: Any
    qty: Any
    levels: dict[float, float] = {}
    try:
        for price, qty in changes:
            # As in `BookSide.merge`: skip the conversion if the price is canonical already.
            plain = type(price) is float and 1e-8 <= price < 1e7 and (price * 1e8 + 0.5) // 1.0 / 1e8 == price
            if not plain:
                price = price_key(price)
            levels[price] = qty if type(qty) is float and 0.0 <= qty < _INF else quantity(qty)
    except BadLevel:
        raise
    except (TypeError, ValueError) as error:
        raise invalid_levels(error) from error
    return {price: qty for price, qty in levels.items() if qty}


def invalid_levels(error: Exception) -> BadLevel:
    """The error for levels that are not pairs of price and quantity."""
    return BadLevel(f"levels must be pairs of price and quantity ({error})", hint="The book needs a new snapshot")
