"""The rate at which the queue ahead of our quotes is consumed."""

from __future__ import annotations

from collections import OrderedDict

from calib.features.average import average
from calib.features.base import Statistic


class AbsorbRate(Statistic):
    """Quantity consumed ahead of a quote per second, averaged over the observations of all quotes.

    One observation of one quote: ``max(0, previous ahead - ahead) / dt``. An increase of the quantity ahead (possible
    in estimates only) counts as 0. The first observation of a quote only sets the reference.

    Parameters
    ----------
    alpha, half_life_s
        Parameters of the average; see `average`.
    max_quotes
        Maximum number of quotes tracked; the least recently updated one is dropped.

    >>> rate = AbsorbRate(alpha=0.5)
    >>> rate.update("q1", 50.0, now_ns=0)
    >>> rate.update("q1", 40.0, now_ns=2_000_000_000)  # 10 in 2 s
    >>> rate.get()
    5.0
    >>> rate.update("q1", 39.0, now_ns=3_000_000_000)  # 1 in 1 s: half the way from 5 to 1
    >>> rate.get()
    3.0
    """

    __slots__ = ("_mean", "_quotes", "max_quotes")

    def __init__(self, alpha: float = 0.1, half_life_s: float | None = None, *, max_quotes: int = 64) -> None:
        if max_quotes < 1:
            raise ValueError(f"max_quotes: {max_quotes!r} is out of range; expected at least 1")
        self.max_quotes = max_quotes
        self._mean = average(alpha, half_life_s)
        self._quotes: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def update(self, quote_id: str, ahead_qty: float, now_ns: int) -> None:
        """Add the quantity ahead of one quote at ``now_ns`` (monotonic nanoseconds)."""
        quotes = self._quotes
        seen = quotes.get(quote_id)
        if seen is not None:
            elapsed = now_ns - seen[1]
            if elapsed <= 0:
                return
            self._mean.update(max(0.0, seen[0] - ahead_qty) / (elapsed * 1e-9), now_ns)
        quotes[quote_id] = (ahead_qty, now_ns)
        quotes.move_to_end(quote_id)
        if len(quotes) > self.max_quotes:
            quotes.popitem(last=False)

    def forget(self, quote_id: str) -> None:
        """Stop tracking a quote that was filled, cancelled or replaced."""
        self._quotes.pop(quote_id, None)

    def get(self) -> float | None:
        return self._mean.get()
