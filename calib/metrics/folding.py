"""Folding: symbols beyond a limit share one label, to bound the number of series on the metrics server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from calib.metrics.histogram import HistogramCounts
from calib.metrics.names import LIVE, OTHER, Metric
from calib.metrics.samples import Labels, Samples, Value

_BY_SYMBOL: Final[dict[str, Metric]] = {row.key: row for row in LIVE if row.labels[:1] == ("symbol",)}
"""The facts whose first label is the symbol, each with one of the rows that expose it."""
_GROWING: Final = ("counter", "untyped", "histogram")


class SymbolFold:
    """Selects the symbols with their own series, and aggregates the others.

    Symbols are admitted in order of appearance, alphabetically within a scrape. A symbol that disappears makes room for
    new ones. A folded symbol stays folded until it disappears: otherwise its part of the sums in ``other`` would be
    lost.

    The sums in ``other`` never decrease, even if a symbol leaves: a metrics server would take a decreasing counter for
    a restart and count the rest as an increase.

    Parameters
    ----------
    limit
        Number of symbols with their own series, at least 1.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[str, None] = {}
        self._folded: set[str] = set()
        self._sums = {fact: GrowingSum() for fact, row in _BY_SYMBOL.items() if row.kind in _GROWING}

    @property
    def folded(self) -> int:
        """Number of symbols in ``other``."""
        return len(self._folded)

    def apply(self, samples: Samples, *, complete: bool = True) -> None:
        """Fold the samples in place.

        Parameters
        ----------
        samples
            One scrape.
        complete
            False if a part could not be read: its symbols are then not considered to have disappeared.
        """
        self._admit({labels[0] for fact in _BY_SYMBOL for labels in samples.of(fact)}, complete)
        for fact, row in _BY_SYMBOL.items():
            values = samples.of(fact)
            own = {labels: value for labels, value in values.items() if labels[0] in self._kept}
            folded = {labels: value for labels, value in values.items() if labels[0] not in self._kept}
            if fact in self._sums:
                if values or complete:
                    own |= self._sums[fact].update(folded)
            elif row.fold != "leave":
                own |= _joined(folded, row.fold)
            samples.put(fact, own)

    def _admit(self, present: set[str], complete: bool) -> None:
        if complete:
            self._kept = {symbol: None for symbol in self._kept if symbol in present}
            self._folded &= present
        for symbol in sorted(present - self._kept.keys() - self._folded):
            if len(self._kept) < self._limit and symbol != OTHER:
                self._kept[symbol] = None
            else:
                self._folded.add(symbol)


class GrowingSum:
    """A sum of counters that appear and disappear; it never decreases.

    >>> total = GrowingSum()
    >>> total.update({("A", "hit"): 3.0, ("B", "hit"): 4.0})
    {('other', 'hit'): 7.0}
    >>> total.update({("A", "hit"): 5.0})  # B has disappeared: its 4 are kept
    {('other', 'hit'): 9.0}
    >>> total.update({("A", "hit"): 1.0})  # A was reset to 0: its 5 are kept
    {('other', 'hit'): 10.0}
    """

    __slots__ = ("_gone", "_last")

    def __init__(self) -> None:
        self._last: Mapping[Labels, Value] = {}
        self._gone: dict[Labels, Value] = {}

    def update(self, counts: Mapping[Labels, Value]) -> dict[Labels, Value]:
        """Set the current counts; returns the sum under ``other``, including counts that have disappeared."""
        for labels, before in self._last.items():
            if labels not in counts or _size(counts[labels]) < _size(before):
                _add(self._gone, labels, before, "sum")
        self._last = counts
        total = dict(self._gone)
        for labels, value in counts.items():
            _add(total, labels, value, "sum")
        return total


def _joined(values: Mapping[Labels, Value], fold: str) -> dict[Labels, Value]:
    """Aggregate the values of several symbols under ``other``."""
    total: dict[Labels, Value] = {}
    for labels, value in values.items():
        _add(total, labels, value, fold)
    return total


def _add(total: dict[Labels, Value], labels: Labels, value: Value, fold: str) -> None:
    place = (OTHER, *labels[1:])
    before = total.get(place)
    if before is None:
        total[place] = value
    elif isinstance(before, HistogramCounts) and isinstance(value, HistogramCounts):
        total[place] = before.plus(value)
    else:
        assert not isinstance(before, HistogramCounts)
        assert not isinstance(value, HistogramCounts)
        total[place] = before + value if fold == "sum" else max(before, value)


def _size(value: Value) -> float:
    return sum(value.counts) if isinstance(value, HistogramCounts) else value
