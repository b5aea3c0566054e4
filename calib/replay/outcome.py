"""The outcome of a replay: one record, with the same bytes for the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from calib._version import __version__
from calib.market.cache.stats import STATUSES, hit_ratio, hits
from calib.replay.error_timeline import ErrorTimeline
from calib.replay.notes import idle_faults, notes_of
from calib.replay.sources import US_PER_S
from calib.replay.tally import Cost, ReadTally

if TYPE_CHECKING:
    from calib.replay.driver import Driver
    from calib.replay.grid import FeatureGrid
    from calib.replay.sample import Sample
    from calib.replay.sources import Sources

SCHEMA: Final = "calib.replay/1"
QUANTILES: Final = (0.50, 0.95, 0.99)
_NAMES: Final = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """The outcome of one replay.

    Parameters
    ----------
    data
        Plain values, as written to the file; schema ``calib.replay/1``.
    features
        The feature snapshots, if they were requested.
    """

    data: Mapping[str, Any]
    features: FeatureGrid | None = None

    def encode(self) -> bytes:
        """Encode the outcome as JSON."""
        return encoded(self.data)

    @property
    def overall(self) -> Mapping[str, Any]:
        """The figures over all symbols."""
        found: Mapping[str, Any] = self.data["overall"]
        return found


def encoded(data: Mapping[str, Any]) -> bytes:
    """Encode plain values as the JSON of a report file."""
    return orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def outcome_of(driver: Driver, sources: Sources, notes: Sequence[str] = ()) -> ReplayOutcome:
    """Create the outcome of a finished replay."""
    tallies = driver.reader.tallies
    symbols = sorted(driver.books)
    summary = driver.cache_summary
    last_us = driver.start_us if driver.recording.last_us is None else driver.recording.last_us
    data = {
        "schema": SCHEMA,
        "range": {"from": iso(driver.start_us), "to": iso(last_us), "seconds": (last_us - driver.start_us) / US_PER_S},
        "settings": driver.settings.described(idle_faults(driver))
        | {"sequence_rule": driver.rule, "sequence_mode": driver.cache.config.sequence_mode},
        "inputs": _inputs(sources),
        "missing_days": sources.missing_days(),
        "recording": _recording(driver, sources),
        "overall": _figures(ReadTally.total((tallies[symbol] for symbol in sorted(tallies)), driver.file))
        | {
            "reads_in_holes": driver.reader.in_holes.total(),
            "requests": driver.endpoint.requests,
            "requests_refused": driver.endpoint.refused,
            "refreshes": summary["refreshes"],
            "refresh_failures": summary["refresh_failures"],
            "invalidations": summary["invalidations"],
            "guard_last_resort": summary["pricing_on_stale"]["guard_block"],
            "stream": _streams([driver.streams[symbol] for symbol in symbols]),
        },
        "symbols": {
            symbol: _figures(tallies.get(symbol, ReadTally(driver.file)))
            | {"reads_in_holes": driver.reader.in_holes[symbol]}
            | {"invalidations": _invalidations(summary, symbol), "stream": _streams([driver.streams[symbol]])}
            for symbol in symbols
        },
        "timeline": _timeline(driver.reader.timeline),
        "fidelity": driver.reader.fidelity.result(),
        "notes": [*notes, *notes_of(driver, sources)],
        "tool": {"name": "calib", "version": __version__},
    }
    return ReplayOutcome(data, driver.grid)


def iso(us: int) -> str:
    """Format Unix microseconds as ISO 8601; without a fraction if it is 0.

    >>> iso(1735689600250000), iso(1735689600000000)
    ('2025-01-01T00:00:00.250000Z', '2025-01-01T00:00:00Z')
    """
    seconds, rest = divmod(us, US_PER_S)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:06d}Z" if rest else f"{text}Z"


def _quantiles(sample: Sample) -> dict[str, float | None]:
    """p50, p95 and p99; None for an empty sample."""
    found = sample.quantiles(QUANTILES)
    return dict.fromkeys(_NAMES) if found is None else dict(zip(_NAMES, found, strict=True))


def _figures(tally: ReadTally) -> dict[str, Any]:
    statuses = {name: sum(counts[name] for counts in tally.statuses.values()) for name in STATUSES}
    pricing = tally.statuses.get("pricing")
    reads = sum(statuses.values())
    return {
        "reads": reads,
        "hits": hits(statuses),
        "statuses": statuses,
        "hit_ratio": hit_ratio(statuses),
        "by_use_case": {
            use_case: {
                "reads": counts.total(),
                "hits": hits(counts),
                "statuses": {name: counts[name] for name in STATUSES},
                "hit_ratio": hit_ratio(counts),
                "staleness": _cost(tally.costs[use_case]),
            }
            for use_case, counts in sorted(tally.statuses.items())
        },
        "age_ms": _quantiles(tally.age_ms),
        "fetch_md_ms": {"with_cache": _quantiles(tally.fetch_ms), "without_cache": _quantiles(tally.direct_ms)},
        "used_stale": tally.used_stale,
        "pricing_on_stale": tally.pricing_on_stale,
        "pricing_on_stale_ratio": tally.pricing_on_stale / pricing.total() if pricing else None,
        "depth_misses": tally.depth_misses,
        "sequence_gaps": tally.sequence_gaps,
        "staleness": _cost(tally.cost),
    }


def _invalidations(summary: Mapping[str, Any], symbol: str) -> dict[str, int] | None:
    """Invalidations by reason; None if the cache has evicted the symbol, and its counts with it."""
    kept = summary["symbols"].get(symbol)
    if kept is None:
        return None if summary["evictions"] else {}
    return dict(kept["invalidations"])


def _timeline(line: ErrorTimeline) -> dict[str, Any]:
    """The error over time; ``from`` and ``to`` are None without reads."""
    steps = list(line.steps())
    begin = line.origin_us
    end = None if begin is None else begin + len(steps) * line.step_us
    return {
        "from": None if begin is None else iso(begin),
        "to": None if end is None else iso(end),
        "step_s": line.step_us / US_PER_S,
        "steps": steps,
    }


def _cost(cost: Cost) -> dict[str, Any]:
    judged = len(cost.error_bps)
    return {
        "judged": judged,
        "without_book": cost.no_book,
        "without_truth": cost.no_truth,
        "error_bps": {
            "mean": cost.error_bps.mean,
            **_quantiles(cost.error_bps),
            "max": cost.error_bps.max,
        },
        "over_half_spread_ratio": cost.over_half_spread / judged if judged else None,
        "top_price_differs_ratio": cost.top_price / judged if judged else None,
        "top_differs_ratio": cost.top / judged if judged else None,
    }


def _streams(streams: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """Losses of the cache's streams and their duration; None if a callback fills the cache."""
    known = [stream for stream in streams if stream is not None]
    if not known:
        return None
    counts: dict[str, int] = {}
    for stream in known:
        for name, count in stream["counts"].items():
            counts[name] = counts.get(name, 0) + count
    return {
        "gaps": counts.get("ws_gap", 0),
        "rewinds": counts.get("rewind", 0),
        "resyncs": counts.get("resync", 0),
        "out_of_sync_s": sum(stream["out_of_sync_s"] for stream in known),
        "counts": {name: counts[name] for name in sorted(counts)},
    }


def _inputs(sources: Sources) -> list[dict[str, Any]]:
    names = ("file", "bytes", "sha256", "lines", "used", "rejected")
    return [{name: getattr(sources.stats[file], name) for name in names} for file in sorted(sources.stats)]


def _recording(driver: Driver, sources: Sources) -> dict[str, Any]:
    found = driver.recording
    now_ns = driver.clock.monotonic_ns()
    return {
        "lines": {kind: found.lines[kind] for kind in ("book", "trades", "ticks", "fills")},
        "late": {
            kind: {"lines": late.lines, "max_s": late.max_s}
            for kind, late in sorted(sources.late.items())
            if late.lines
        },
        "negative_lag": found.negative_lag,
        "min_lag_s": found.min_lag_s,
        "silences": found.silences,
        "silent_s": found.silent_s,
        "ticks_without_book": _sorted(found.ticks_without_book),
        "ticks_in_silence": _sorted(found.ticks_in_silence),
        "unknown_use_cases": _sorted(found.unknown_use_cases),
        "depths_cut": found.depths_cut,
        "reads_added": found.reads_added,
        "refused_fills": found.refused_fills,
        "refused_observations": driver.reader.refused_observations,
        "messages_lost": 0 if driver.injector is None else driver.injector.lost,
        "messages_held_back": 0 if driver.injector is None else driver.injector.held_back,
        "truth": {
            symbol: {"counts": book.counts, "unknown_s": book.unknown_ns(now_ns) / 1e9}
            for symbol, book in sorted(driver.books.items())
        },
    }


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts)}
