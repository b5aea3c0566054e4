"""Readiness of feeds for a first calibration: each figure with its limit and advice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from calib.errors import CalibError, NoFeeds, UnreadableInput
from calib.evaluation.readiness_settings import ReadinessSettings
from calib.experiments.canary.baseline import SCHEMA as BASELINE_SCHEMA
from calib.feeds.reading.batches import read_batches
from calib.feeds.reading.days import DayFile, find_days, named_file, newest_days
from calib.limits import Limit, LimitResult, check_limits

if TYPE_CHECKING:
    from calib.dataset.model import Dataset
    from calib.experiments.canary.settings import CanarySettings

SCHEMA: Final = "calib.ready/1"
_TICK_COLUMNS: Final = (
    "cache_hit",
    "tick_total_ms",
    "deadline_miss",
    "stage_latencies.fetch_md",
    "fetch_md_cache_ms",
)
_FILL_COLUMNS: Final = ("ts", "ts_exchange")

ADVICE: Final[dict[str, str]] = {
    "hours_covered": "keep the bot logging; read only hours in which it ran",
    "kept_ratio": "`calib summary` shows which filter drops most: fix its cause before changing its limit",
    "fills_per_symbol": "collect longer, or exclude symbols with few fills with --symbols",
    "hit_ratio": "raise md_cache.ttl_ms, or fill the cache from the stream; `calib replay --sweep` compares both",
    "fetch_md_p95_ms": "look for slow refreshes: the venue's latency, md_cache.refresh_backoff_ms, shared requests",
    "fetch_md_p95_gain_ms": "the cache saves too little time: check its TTL, and that reads go through it",
    "tick_total_p95_ms": "`pipeline_ticks` has the time of each stage: shorten the longest",
    "deadline_miss_rate": "shorten the slowest stage, or set a deadline that the bot can meet",
    "gap_ratio": "check the stream's connection and its resyncs: `calib check` lists the longest gaps",
    "clock_behind_ratio": "synchronise the bot's clock (NTP, chrony): fills are stamped before the exchange's own time",
}
"""Advice for a figure that misses its limit, by name, in the order of the report."""
OPTIONAL: Final[dict[str, str]] = {
    "fetch_md_p95_gain_ms": "give --baseline, or log fetch_md_cache_ms in shadow mode",
    "clock_behind_ratio": "log ts_exchange with the fills",
}
"""Figures that feeds need not carry, and how to have each judged: without a value it is not. Every other one must have
a value."""


def advice(result: LimitResult) -> str:
    """What to do about a figure: empty where it holds its limit."""
    if result.passed:
        return ""
    return (ADVICE if result.passed is False else OPTIONAL)[result.limit.name]


@dataclass(frozen=True, slots=True)
class TickFigures:
    """Figures of the cache from ticks; None where there is nothing to measure.

    Parameters
    ----------
    shadow
        Whether the cache ran in shadow: the figures then use the cache's time instead of the direct fetch's.
    direct_fetch_p95_ms
        p95 of the direct fetch in shadow, ms.
    """

    ticks: int
    shadow: bool
    hit_ratio: float | None
    fetch_md_p95_ms: float | None
    direct_fetch_p95_ms: float | None
    tick_total_p95_ms: float | None
    deadline_miss_rate: float | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """The readiness checklist.

    Parameters
    ----------
    results
        Every figure with its limit; ``passed`` is None if it is not judged.
    notes
        Notes on the origin of the figures.
    """

    results: tuple[LimitResult, ...]
    ticks: TickFigures
    notes: tuple[str, ...]

    @property
    def missed(self) -> list[str]:
        """Names of the figures that miss their limit."""
        return [result.limit.name for result in self.results if result.passed is False]

    @property
    def ready(self) -> bool:
        """Whether no figure misses its limit."""
        return not self.missed

    def as_data(self) -> dict[str, Any]:
        """Return the checklist as plain values, ``calib.ready/1``."""
        checks = [result.as_data() | {"advice": advice(result)} for result in self.results]
        return {
            "schema": SCHEMA,
            "ready": self.ready,
            "missed": self.missed,
            "ticks": self.ticks.ticks,
            "shadow": self.ticks.shadow,
            "checks": checks,
            "notes": list(self.notes),
        }


def check_readiness(
    feeds: Path,
    dataset: Dataset | None,
    settings: ReadinessSettings,
    canary: CanarySettings,
    *,
    baseline_p95_ms: float | None = None,
    symbols: Sequence[str] = (),
) -> Readiness:
    """Check feeds, and the dataset made from them, for a first calibration.

    Parameters
    ----------
    feeds
        The directory of the feeds.
    dataset
        The result of `calib.dataset.build.build_dataset`; None if it fails.
    canary
        Its limits of the shadow phase apply to the ticks.
    baseline_p95_ms
        ``fetch_md`` p95 without the cache, see `baseline_p95`; None uses the direct fetch of the shadow ticks.
    """
    ticks = tick_figures(_frame(feeds, "pipeline_ticks", _TICK_COLUMNS, symbols), canary.deadline_ms)
    before = ticks.direct_fetch_p95_ms if baseline_p95_ms is None else baseline_p95_ms
    gain = None if before is None or ticks.fetch_md_p95_ms is None else before - ticks.fetch_md_p95_ms
    values = _dataset_figures(dataset) | {
        "hit_ratio": ticks.hit_ratio,
        "fetch_md_p95_ms": ticks.fetch_md_p95_ms,
        "fetch_md_p95_gain_ms": gain,
        "tick_total_p95_ms": ticks.tick_total_p95_ms,
        "deadline_miss_rate": ticks.deadline_miss_rate,
        "clock_behind_ratio": _clock_behind(_frame(feeds, "fills", _FILL_COLUMNS, symbols)),
    }
    results = []
    for limit in limits(settings, canary):
        results += check_limits([limit], values, missing_fails=limit.name not in OPTIONAL)
    return Readiness(tuple(results), ticks, tuple(_notes(ticks, gain, values)))


def limits(settings: ReadinessSettings, canary: CanarySettings) -> list[Limit]:
    """Return every limit in the order of the report."""
    return [
        Limit("hours_covered", ">=", settings.min_hours),
        Limit("kept_ratio", ">=", settings.min_kept_ratio),
        Limit("fills_per_symbol", ">=", settings.min_fills),
        Limit("hit_ratio", ">=", canary.shadow_min_hit_ratio),
        Limit("fetch_md_p95_ms", "<=", canary.shadow_max_fetch_ms),
        Limit("fetch_md_p95_gain_ms", ">=", settings.min_fetch_gain_ms),
        Limit("tick_total_p95_ms", "<=", canary.shadow_max_tick_ms),
        Limit("deadline_miss_rate", "<", canary.shadow_max_deadline_miss_rate),
        Limit("gap_ratio", "<=", settings.max_gap_ratio),
        Limit("clock_behind_ratio", "<=", settings.max_clock_behind_ratio),
    ]


def tick_figures(ticks: pl.DataFrame, deadline_ms: float | None = None) -> TickFigures:
    """Return the figures of the ticks; in shadow the cache's time replaces the direct fetch's.

    If any tick has ``fetch_md_cache_ms``, the ticks with it are in shadow, and only they count.
    """
    shadow = ticks.filter(pl.col("fetch_md_cache_ms").is_not_null() & pl.col("stage_latencies.fetch_md").is_not_null())
    in_shadow = shadow.height > 0
    rows = shadow if in_shadow else ticks
    direct = rows["stage_latencies.fetch_md"].drop_nulls().to_numpy()
    fetch = rows["fetch_md_cache_ms"].to_numpy() if in_shadow else direct
    totals = rows["tick_total_ms"].to_numpy()
    if in_shadow:
        totals = totals - direct + fetch
    late: float | None = None
    if rows.height:
        late = float((totals > deadline_ms).mean()) if deadline_ms is not None else _share(rows["deadline_miss"])
    return TickFigures(
        ticks=rows.height,
        shadow=in_shadow,
        hit_ratio=_share(rows["cache_hit"]) if rows.height else None,
        fetch_md_p95_ms=_p95(fetch),
        direct_fetch_p95_ms=_p95(direct) if in_shadow else None,
        tick_total_p95_ms=_p95(totals),
        deadline_miss_rate=late,
    )


def baseline_p95(path: Path) -> float:
    """Return the ``fetch_md`` p95 without the cache, ms, from a canary's ``baseline.json`` or a feed file of ticks.

    Raises
    ------
    UnreadableInput
        If the file is neither, or has no such time.
    """
    if DayFile.of(path) is not None:
        file = named_file(path)
        column = "stage_latencies.fetch_md"
        parts = [batch[column] for batch in read_batches(file, (column,), newest=True)]
        found = _p95(pl.concat(parts).drop_nulls().to_numpy()) if parts else None
        if found is None:
            raise UnreadableInput("has no tick with a fetch_md time", where=str(path), hint=_BASELINES)
        return found
    try:
        body = json.loads(path.read_bytes())
        if body["schema"] != BASELINE_SCHEMA:
            raise ValueError(body["schema"])
        return float(body["fetch_md_p95_ms"])
    except OSError as error:
        raise UnreadableInput(f"cannot be read: {error.strerror}", where=str(path), hint=_BASELINES) from error
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableInput("is not a valid baseline", where=str(path), hint=_BASELINES) from error


_BASELINES: Final = (
    "Give the baseline.json that `calib canary accept` wrote, or a pipeline_ticks file from before the cache"
)


def _frame(feeds: Path, kind: str, columns: Sequence[str], symbols: Sequence[str]) -> pl.DataFrame:
    """Return the columns of all files of a kind."""
    try:
        days = find_days(feeds, [kind])
    except NoFeeds:
        days = []
    newest = newest_days(days)
    read = (*columns, "symbol") if symbols else tuple(columns)
    parts = [batch.select(read) for file in days for batch in read_batches(file, read, newest=file in newest)]
    if not parts:
        return pl.DataFrame({name: pl.Series([], dtype=_DTYPES.get(name, pl.Float64())) for name in columns})
    frame = pl.concat(parts)
    return frame.filter(pl.col("symbol").is_in(list(symbols))) if symbols else frame


_DTYPES: Final[Mapping[str, pl.DataType]] = {"cache_hit": pl.Boolean(), "deadline_miss": pl.Boolean()}


def _p95(values: Any) -> float | None:
    return float(np.quantile(values, 0.95, method="linear")) if len(values) else None


def _share(values: pl.Series) -> float:
    return int(values.sum()) / len(values)


def _dataset_figures(dataset: Dataset | None) -> dict[str, float | None]:
    names = ("hours_covered", "kept_ratio", "fills_per_symbol", "gap_ratio")
    if dataset is None or not dataset.counts.intervals:
        return dict.fromkeys(names)
    slots = pl.concat([dataset.intervals["start_ts"], dataset.dropped["start_ts"]]).n_unique()
    counts = dataset.counts
    fills = dict.fromkeys(dataset.range.symbols, 0)
    fills |= dict(dataset.intervals.group_by("symbol").agg(pl.col("fills").sum()).iter_rows())
    return {
        "hours_covered": slots * dataset.range.interval_sec / 3600,
        "kept_ratio": counts.kept / counts.intervals,
        "fills_per_symbol": min(fills.values()),
        "gap_ratio": counts.dropped.get("ws_gap", 0) / counts.intervals,
    }


def _clock_behind(fills: pl.DataFrame) -> float | None:
    known = fills.drop_nulls("ts_exchange")
    return _share(known["ts"] < known["ts_exchange"]) if known.height else None


def _notes(ticks: TickFigures, gain: float | None, values: Mapping[str, float | None]) -> Iterator[str]:
    if ticks.shadow:
        yield "The cache ran in shadow: the figures use the cache's time instead of the direct fetch's."
    if gain is None:
        yield f"fetch_md_p95_gain_ms is not judged: {OPTIONAL['fetch_md_p95_gain_ms']}."
    if values["clock_behind_ratio"] is None:
        yield "clock_behind_ratio is not judged: no fill has ts_exchange."


def built(build: Callable[[], Dataset]) -> tuple[Dataset | None, str]:
    """Return the dataset, or None and the error: the other figures are checked even if the dataset cannot be built."""
    try:
        return build(), ""
    except CalibError as error:
        return None, f"{error.where}: {error.what}" if error.where else error.what
