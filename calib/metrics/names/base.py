"""What one row of the table of names says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "untyped"]
Fold = Literal["sum", "max", "leave"]
OTHER = "other"
"""The label that symbols beyond the limit share."""


@dataclass(frozen=True, slots=True)
class Follows:
    """How a clean series is computed from a seed one.

    Parameters
    ----------
    name
        The seed name.
    factor
        The clean value over the seed value: 0.001 from milliseconds to seconds.
    labels
        Labels that the seed series lacks, as ``((name, value), ...)``.
    """

    name: str
    factor: float = 1.0
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of series.

    Parameters
    ----------
    name
        As it stands in the text format, a counter's ``_total`` included.
    kind
        ``untyped`` is for seed names that are counters in meaning but not by name: the client would rename them.
    help
        One sentence.
    owner
        The part that the values are read from; ``a, else b`` where a second part stands in for a missing first one.
    unit
        Of the value.
    labels
        In the order in which values are given.
    seed, clean
        The sets that it belongs to.
    fact
        What a part reports for it; a seed and a clean name may show the same fact in two units.
    factor
        The exposed value over the fact.
    follows
        Of a clean name: the seed names that it can be computed from where only those are scraped.
    fold
        What becomes of symbols beyond the limit: their values are added, the largest stands for them, or they are left
        out (a ratio of many symbols is neither the sum nor the largest of theirs).

    >>> Metric("mm_x_seconds", "gauge", "X.", "cache", "seconds", fact="x_ms", factor=0.001).sets
    'clean'
    """

    name: str
    kind: Kind
    help: str
    owner: str
    unit: str = ""
    labels: tuple[str, ...] = ()
    seed: bool = False
    clean: bool = True
    fact: str = ""
    factor: float = 1.0
    follows: tuple[Follows, ...] = ()
    fold: Fold = "leave"

    @property
    def sets(self) -> str:
        """``seed``, ``clean`` or ``seed, clean``."""
        return ", ".join(name for name in ("seed", "clean") if getattr(self, name))

    @property
    def key(self) -> str:
        """The fact that it shows."""
        return self.fact or self.name

    @property
    def spelled(self) -> str:
        """The name with its labels.

        >>> Metric("mm_x_total", "counter", "X.", "cache", labels=("symbol",)).spelled
        'mm_x_total{symbol}'
        """
        return self.name + (f"{{{','.join(self.labels)}}}" if self.labels else "")
