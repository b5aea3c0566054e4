"""The samples of one scrape: facts reported by the parts, by name and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from calib.metrics.histogram import HistogramCounts

Value = float | HistogramCounts
Labels = tuple[str, ...]


class Samples:
    """Values by fact and labels; the first part that reports a fact owns it.

    >>> samples = Samples()
    >>> samples.begin("collector"); samples.add("slippage_bps", 0.5, "X")
    >>> samples.begin("scoreboard"); samples.add("slippage_bps", 0.7, "X"); samples.add("score", 2.0, "X")
    >>> {fact: dict(values) for fact, values in samples}
    {'slippage_bps': {('X',): 0.5}, 'score': {('X',): 2.0}}
    """

    __slots__ = ("_owners", "_source", "_values")

    def __init__(self) -> None:
        self._values: dict[str, dict[Labels, Value]] = {}
        self._owners: dict[str, str] = {}
        self._source = ""

    def begin(self, source: str) -> None:
        """Set the part that reports the following values."""
        self._source = source

    def add(self, fact: str, value: Value | None, *labels: str) -> None:
        """Report a value; None means no observation, and adds no series."""
        if self._owners.setdefault(fact, self._source) == self._source:
            values = self._values.setdefault(fact, {})
            if value is not None:
                values[labels] = value

    def take(self, source: str, other: Samples) -> None:
        """Add everything that one part has reported."""
        for fact, values in other:
            if self._owners.setdefault(fact, source) == source:
                self._values.setdefault(fact, {}).update(values)

    def claim(self, source: str, facts: Iterable[str]) -> None:
        """Reserve facts for a part that could not report them in this scrape."""
        for fact in facts:
            self._owners.setdefault(fact, source)

    def of(self, fact: str) -> Mapping[Labels, Value]:
        """The values of a fact by label values."""
        return self._values.get(fact, {})

    def put(self, fact: str, values: dict[Labels, Value]) -> None:
        """Replace the values of a fact."""
        self._values[fact] = values

    def __iter__(self) -> Iterator[tuple[str, Mapping[Labels, Value]]]:
        return iter(self._values.items())
