"""One replay from feeds to outcome."""

from __future__ import annotations

import contextlib
import dataclasses
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from calib.arguments import Moment, symbol_list, unix_seconds
from calib.errors import BadLatency, NoLines, NoSuchSymbol
from calib.feeds.reading.batches import read_batches
from calib.feeds.reading.days import newest_days
from calib.feeds.settings import MAX_REJECT_RATIO
from calib.recorded.origins import DeltaSymbols
from calib.replay.driver import Driver
from calib.replay.latencies import DEFAULT_MS, LatencyChoice
from calib.replay.outcome import ReplayOutcome, outcome_of
from calib.replay.settings import ReplaySettings
from calib.replay.sources import KINDS, US_PER_S, Sources
from calib.virtual_loop import drive

READ_EVERY_US = 100_000
"""Without tick feeds every symbol is read so often."""


def run_replay(
    feeds: Path | str,
    settings: ReplaySettings | None = None,
    *,
    start: Moment | None = None,
    end: Moment | None = None,
    symbols: str | Sequence[str] = (),
    out: Path | str | None = None,
    max_reject_ratio: float = MAX_REJECT_RATIO,
    choose_latency: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> ReplayOutcome:
    """Replay recorded feeds through the cache, the stage and the collector that a bot runs.

    Parameters
    ----------
    feeds
        The feed directory; it must hold a ``book`` feed.
    settings
        How the replay is set up; default `ReplaySettings`.
    start, end
        The range [start, end): Unix seconds, ISO 8601 text or an aware datetime; None where that side is open.
    symbols
        Only this one, or these; empty for all.
    out
        Root below which ``rejects/`` is written; None: bad lines are counted only.
    max_reject_ratio
        Share of bad lines per file that is tolerated.
    choose_latency
        Take the recorded latency where the feeds hold one, and the settings' own where they do not.
    progress
        Receives the share of the feeds read since the last call; the shares add up to 1.

    Returns
    -------
    ReplayOutcome
        The same bytes for the same feeds and settings.

    Raises
    ------
    calib.errors.CalibError
        NoFeeds, NoLines, NoSuchSymbol, MixedNumbering, TooManyRejects, TruncatedInput, BadLatency, ...
    """
    chosen = ReplaySettings() if settings is None else settings
    first, last = (None if moment is None else unix_seconds(moment) for moment in (start, end))
    root = None if out is None else Path(out)
    sources = Sources(Path(feeds), first, last, symbol_list(symbols), root, max_reject_ratio)
    notes = []
    look_for_latency = choose_latency or chosen.latency.kind == "recorded"
    looked_at = sources.stored_bytes("pipeline_ticks") if look_for_latency else 0
    scheduled = chosen.read_every_us is not None or not sources.has("pipeline_ticks")
    kinds = [kind for kind in KINDS if not (scheduled and kind == "pipeline_ticks")]
    share = _Share(looked_at + sources.stored_bytes(*kinds), progress)
    if look_for_latency:
        latency = _recorded(sources, share)
        if latency is None and not choose_latency:
            raise BadLatency(
                "the feeds hold no fetch_md of a miss", hint=f"Say --latency constant:{DEFAULT_MS:g}, or another"
            )
        if latency is None:
            notes.append(f"No latency is recorded: the venue answers after {chosen.latency}.")
        else:
            chosen = dataclasses.replace(chosen, latency=latency)
    if chosen.read_every_us is None and scheduled:
        chosen = dataclasses.replace(chosen, read_every_us=READ_EVERY_US)
    if scheduled and sources.has("pipeline_ticks"):
        notes.append("The recorded ticks were not replayed: a schedule of reads was asked for.")
    start_us = None if first is None else round(first * US_PER_S)

    def tell(_lines: float) -> None:
        share.reached(looked_at + sources.bytes_read())

    with_deltas = DeltaSymbols([file for file in sources.files() if file.kind == "book"], sources.end)
    events = sources.events(ticks=not scheduled)
    driver = Driver(chosen, events, start_us=start_us, with_deltas=with_deltas, progress=tell)
    with contextlib.closing(driver.file):
        drive(driver.run, clock=driver.clock)
        share.reached(share.total)
        _must_hold_something(driver, sources)
        return outcome_of(driver, sources, notes)


class _Share:
    """How far a replay has come, from the stored bytes that were read."""

    def __init__(self, total: int, progress: Callable[[float], None]) -> None:
        self.total = max(total, 1)
        self._progress = progress
        self._told = 0.0

    def reached(self, done: int) -> None:
        share = min(done / self.total, 1.0)
        self._progress(share - self._told)
        self._told = share


def _recorded(sources: Sources, share: _Share) -> LatencyChoice | None:
    """fetch_md of the recorded misses in the order of the files; None where there are none."""
    files = sources.files()
    found, ended = array("d"), 0
    for file in files:
        if file.kind != "pipeline_ticks":
            continue
        columns = ["ts", "symbol", "cache_hit", "stage_latencies.fetch_md"]
        reading = read_batches(file, columns, newest=file in newest_days(files))
        for batch in reading:
            share.reached(ended + reading.bytes_read)
            rows = batch.select(columns).iter_rows()
            found.extend(
                took_ms
                for ts, symbol, hit, took_ms in rows
                if not hit
                and took_ms is not None
                and (not sources.symbols or symbol in sources.symbols)
                and (sources.start is None or ts >= sources.start)
                and (sources.end is None or ts < sources.end)
            )
        ended += reading.bytes_read
    return LatencyChoice("recorded", tuple(found)) if found else None


def _must_hold_something(driver: Driver, sources: Sources) -> None:
    missing = [symbol for symbol in sources.symbols if symbol not in driver.books]
    if missing:
        raise NoSuchSymbol(
            f"no book lines of {', '.join(missing[:5])} in the range", hint="Check --symbols and the range"
        )
    if not driver.recording.lines["book"]:
        raise NoLines("the book feed holds no usable line in the range", hint="Check --from and --to, or --feeds")
