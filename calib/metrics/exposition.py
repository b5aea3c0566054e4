"""The custom collector: reads the parts at each scrape and exposes them under the names of the table."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from calib.errors import ConfigError
from calib.metrics.folding import SymbolFold
from calib.metrics.histogram import HistogramCounts
from calib.metrics.names import LIVE, Metric
from calib.metrics.samples import Labels, Samples, Value
from calib.metrics.sources import SOURCES, MetricSource

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family

MAX_SYMBOLS: Final = 200
_ATTEMPTS: Final = 5
_log: Final = logging.getLogger("calib.metrics")


class BotCollector:
    """A collector for prometheus_client's registry.

    It runs in the scraping thread and holds no lock that the bot waits for; data is copied before it is processed. If a
    part changes while it is copied, it is read again; a part that cannot be read is left out and counted in
    ``mm_metrics_source_errors_total``, and the other parts are exposed.

    Parameters
    ----------
    parts
        The parts to read, by the name of their source.
    rows
        The rows of the table to expose.
    max_symbols
        Number of symbols with their own series; see `calib.metrics.folding.SymbolFold`.
    """

    def __init__(self, parts: dict[str, Any], rows: Sequence[Metric] = LIVE, *, max_symbols: int = MAX_SYMBOLS) -> None:
        self._parts = [(SOURCES[name], part) for name, part in parts.items()]
        self._rows = tuple(rows)
        self._fold = SymbolFold(max_symbols)
        self._errors: Counter[str] = Counter({source.name: 0 for source, _ in self._parts})
        self._facts: dict[str, list[str]] = {}
        self._scraping = threading.Lock()

    def describe(self) -> Iterator[Family]:
        """The families without values, by which a registry detects duplicate names."""
        return (family_of(row, ()) for row in self._rows)

    def collect(self) -> Iterator[Family]:
        """The families with their values."""
        with self._scraping:
            samples = self._read()
        return (family_of(row, samples.of(row.key).items()) for row in self._rows)

    def _read(self) -> Samples:
        samples, complete = Samples(), True
        for source, part in self._parts:
            found = self._read_one(source, part)
            if found is None:
                # Another part must not provide these facts for one scrape: its counts differ.
                samples.claim(source.name, self._facts.get(source.name, ()))
                complete = False
            else:
                samples.take(source.name, found)
                self._facts[source.name] = [fact for fact, _ in found]
        self._fold.apply(samples, complete=complete)
        samples.begin("metrics")
        samples.add("mm_metrics_folded_symbols", self._fold.folded)
        for name, count in self._errors.items():
            samples.add("mm_metrics_source_errors_total", count, name)
        return samples

    def _read_one(self, source: MetricSource, part: Any) -> Samples | None:
        for attempt in range(1, _ATTEMPTS + 1):
            found = Samples()
            try:
                source.read(part, found)
            except (RuntimeError, LookupError) as error:
                # The bot's thread changed a map or window while it was copied; the next attempt will likely succeed.
                if attempt == _ATTEMPTS:
                    self._unreadable(source, error)
            except Exception as error:  # one failing part must not hide the others
                self._unreadable(source, error)
                break
            else:
                return found
        return None

    def _unreadable(self, source: MetricSource, error: Exception) -> None:
        self._errors[source.name] += 1
        _log.warning("metrics of %s cannot be read: %s: %s", source.name, type(error).__name__, error)


def register(
    registry: CollectorRegistry,
    *,
    cache: Any = None,
    stage_metrics: Any = None,
    collector: Any = None,
    scoreboard: Any = None,
    harness: Any = None,
    canary: Any = None,
    policy: Any = None,
    smartcache: Any = None,
    loggers: Any = None,
    seed: bool = True,
    clean: bool = True,
    max_symbols: int = MAX_SYMBOLS,
) -> BotCollector:
    """Expose parts of a bot in a registry of prometheus_client.

    Every name of the chosen sets has its ``TYPE`` line from the start, even if its part is not given.

    Parameters
    ----------
    registry
        A registry, such as ``prometheus_client.REGISTRY``.
    cache, stage_metrics
        `calib.MDCache`, `calib.StageMetrics`. If both are given, hits, misses, invalidations and refreshes are read
        from the second, in which the cache records them.
    collector, scoreboard
        `calib.FeatureCollector`, `calib.SymbolScoreboard`. If both are given, common facts are read from the collector.
    harness, canary
        `calib.ABHarness`, `calib.CanaryController`.
    policy, smartcache
        The compliance monitor; SmartCache.
    loggers
        `calib.CalibrationLoggerManager`, one logger, or a sequence of loggers.
    seed, clean
        The sets of names to expose; recording rules and dashboards use the clean names.
    max_symbols
        Number of symbols with their own series, at least 1; the others share the symbol ``other``.

    Returns
    -------
    BotCollector
        The collector, for ``registry.unregister``.

    Raises
    ------
    calib.errors.ConfigError
        If a part lacks a required attribute, no set is chosen, or the registry already has one of the names.
    """
    if not (seed or clean):
        raise ConfigError("seed and clean are both False", where="register", hint="Set at least one of them to True")
    if isinstance(max_symbols, bool) or max_symbols < 1:
        raise ConfigError(
            f"max_symbols: {max_symbols!r} is out of range", where="register", hint="Allowed: an integer >= 1"
        )
    given = {
        "stage_metrics": stage_metrics,
        "cache": cache,
        "last_served": stage_metrics if cache is None else None,
        "collector": collector,
        "scoreboard": scoreboard,
        "harness": harness,
        "canary": canary,
        "policy": policy,
        "smartcache": smartcache,
        "loggers": loggers,
    }
    parts = {name: part for name, part in given.items() if part is not None}
    for name, part in parts.items():
        SOURCES[name].check(part)
    rows = [row for row in LIVE if (seed and row.seed) or (clean and row.clean)]
    made = BotCollector(parts, rows, max_symbols=max_symbols)
    try:
        registry.register(made)
    except ValueError as error:
        raise ConfigError(
            f"the registry already has these names: {error}",
            where="register",
            hint="Register once with all parts, or unregister the earlier collector first",
        ) from error
    return made


def family_of(row: Metric, values: Iterable[tuple[Labels, Value]]) -> Family:
    """Convert a row of the table and its values by label to a family of prometheus_client."""
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        UntypedMetricFamily,
    )

    kinds: dict[str, Callable[..., Any]] = {
        "counter": CounterMetricFamily,
        "gauge": GaugeMetricFamily,
        "histogram": HistogramMetricFamily,
        "untyped": UntypedMetricFamily,
    }
    family: Any = kinds[row.kind](row.name, row.help, labels=row.labels)
    factor = row.factor
    for labels, value in values:
        if isinstance(value, HistogramCounts):
            total = None if value.total is None else value.total * factor
            family.add_metric(labels, _buckets(value, factor), total)
        else:
            family.add_metric(labels, value if factor == 1.0 else value * factor)
    made: Family = family
    return made


def _buckets(value: HistogramCounts, factor: float) -> list[tuple[str, float]]:
    """Upper bounds and cumulative counts in the format of the client."""
    found, below = [], 0
    for bound, count in zip((*value.bounds, float("inf")), value.counts, strict=True):
        below += count
        edge = round(bound * factor, 12)
        found.append(("+Inf" if edge == float("inf") else repr(edge), float(below)))
    return found
