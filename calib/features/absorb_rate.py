"""How fast the queue ahead of our quotes is eaten."""

from __future__ import annotations

from collections import OrderedDict

from calib.features.average import average
from calib.features.base import Statistic


class AbsorbRate(Statistic):
    """Quantity consumed ahead of a quote per second, averaged over observations of all quotes.

    One observation of one quote: ``max(0, previous ahead - ahead) / dt``. A queue that grew ahead of us (it cannot,
    but estimates can) counts as nothing consumed. The first sight of a quote only starts its clock.

    Parameters
    ----------
    alpha, half_life_s
        Of the average; see `average`.
    max_quotes
        How many quotes are followed at once; the one that was seen least recently is forgotten first.

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
            raise ValueError(f"max_quotes must be at least 1, not {max_quotes!r}")
        self.max_quotes = max_quotes
        self._mean = average(alpha, half_life_s)
        self._quotes: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def update(self, quote_id: str, ahead_qty: float, now_ns: int) -> None:
        """Take the quantity ahead of one quote at ``now_ns`` (monotonic nanoseconds)."""
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
        """The quote is gone: filled, cancelled or replaced."""
        self._quotes.pop(quote_id, None)

    def get(self) -> float | None:
        return self._mean.get()
