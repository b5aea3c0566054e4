"""The rows of the table of names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "untyped"]
Fold = Literal["sum", "max", "leave"]
OTHER = "other"
"""The label shared by symbols beyond the limit."""


@dataclass(frozen=True, slots=True)
class Follows:
    """How to compute a clean series from a seed series.

    Parameters
    ----------
    name
        The seed name.
    factor
        The clean value divided by the seed value, e.g. 0.001 from milliseconds to seconds.
    labels
        Labels that the seed series lacks, as ``((name, value), ...)``.
    """

    name: str
    factor: float = 1.0
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family.

    Parameters
    ----------
    name
        Its name in the text format, including ``_total`` for a counter.
    kind
        ``untyped`` is for seed names that are counters without ``_total``: the client would rename them.
    help
        One sentence.
    owner
        The part that provides the values; ``a, else b`` if a second part replaces a missing first one.
    unit
        Unit of the value.
    labels
        Label names, in the order of the label values.
    seed, clean
        The sets to which it belongs.
    fact
        The fact that a part reports; a seed and a clean name may expose the same fact in two units.
    factor
        The exposed value divided by the fact.
    follows
        For a clean name: the seed names from which it can be computed if only those are scraped.
    fold
        How symbols beyond the limit are aggregated: ``sum``, ``max``, or ``leave`` to omit them (for ratios, whose
        aggregate would need the underlying counts).

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
        """The fact that it exposes."""
        return self.fact or self.name

    @property
    def spelled(self) -> str:
        """The name with its labels.

        >>> Metric("mm_x_total", "counter", "X.", "cache", labels=("symbol",)).spelled
        'mm_x_total{symbol}'
        """
        return self.name + (f"{{{','.join(self.labels)}}}" if self.labels else "")
