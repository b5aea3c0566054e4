"""Symbols beyond a limit stand under one label, so that a wide bot does not fill the metrics server."""

from __future__ import annotations

from typing import Final

from calib.metrics.histogram import HistogramCounts
from calib.metrics.names import LIVE, OTHER, Metric
from calib.metrics.samples import Labels, Samples, Value

_BY_SYMBOL: Final[dict[str, Metric]] = {row.key: row for row in LIVE if row.labels[:1] == ("symbol",)}
"""The facts whose first label is the symbol, with one of the rows that show them."""
_GROWING: Final = ("counter", "untyped", "histogram")


class SymbolFold:
    """Which symbols have series of their own, and what the others add up to.

    First come, first served; in alphabetical order those that come together. A symbol that vanishes makes room for new
    ones. One that was folded stays folded until it vanishes: its place in ``other`` would otherwise be lost.

    The sums under ``other`` never fall, also when a symbol leaves them: a metrics server takes a counter that falls for
    a restart, and would count what is left as an increase.

    Parameters
    ----------
    limit
        Symbols with series of their own, at least 1.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[str, None] = {}
        self._folded: set[str] = set()
        self._last: dict[tuple[str, Labels], Value] = {}
        self._gone: dict[tuple[str, Labels], Value] = {}

    @property
    def folded(self) -> int:
        """Number of symbols under ``other``."""
        return len(self._folded)

    def apply(self, samples: Samples) -> None:
        """Fold what was reported, in place."""
        self._admit({labels[0] for fact in _BY_SYMBOL for labels in samples.of(fact)})
        if not self._folded and not self._gone and not self._last:
            return
        seen: dict[tuple[str, Labels], Value] = {}
        for fact, row in _BY_SYMBOL.items():
            samples.put(fact, self._fold(fact, row, samples, seen))
        self._last = seen

    def _admit(self, present: set[str]) -> None:
        self._kept = {symbol: None for symbol in self._kept if symbol in present}
        self._folded &= present
        for symbol in sorted(present - self._kept.keys() - self._folded):
            if len(self._kept) < self._limit and symbol != OTHER:
                self._kept[symbol] = None
            else:
                self._folded.add(symbol)

    def _fold(
        self, fact: str, row: Metric, samples: Samples, seen: dict[tuple[str, Labels], Value]
    ) -> dict[Labels, Value]:
        own: dict[Labels, Value] = {}
        others: dict[Labels, Value] = {}
        for labels, value in samples.of(fact).items():
            if labels[0] in self._kept:
                own[labels] = value
            elif row.kind in _GROWING:
                seen[fact, labels] = value
            elif row.fold != "leave":
                joined = (OTHER, *labels[1:])
                others[joined] = value if joined not in others else _joined(others[joined], value, row.fold)
        if row.kind in _GROWING:
            self._keep_what_left(fact, seen)
            for (of, labels), value in (*self._gone.items(), *seen.items()):
                if of == fact:
                    joined = (OTHER, *labels[1:])
                    others[joined] = value if joined not in others else _joined(others[joined], value, "sum")
        return own | others

    def _keep_what_left(self, fact: str, seen: dict[tuple[str, Labels], Value]) -> None:
        """A folded symbol that vanished, or came back and counts from 0: what it had counted stays in the sum."""
        for key, before in self._last.items():
            if key[0] == fact and (key not in seen or _size(seen[key]) < _size(before)):
                place = (fact, (OTHER, *key[1][1:]))
                gone = self._gone.get(place)
                self._gone[place] = before if gone is None else _joined(gone, before, "sum")


def _joined(a: Value, b: Value, fold: str) -> Value:
    if isinstance(a, HistogramCounts) and isinstance(b, HistogramCounts):
        return a.plus(b)
    assert not isinstance(a, HistogramCounts)
    assert not isinstance(b, HistogramCounts)
    return a + b if fold == "sum" else max(a, b)


def _size(value: Value) -> float:
    return sum(value.counts) if isinstance(value, HistogramCounts) else value
