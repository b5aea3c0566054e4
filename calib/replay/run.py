"""Running one replay from feeds to outcome."""

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
"""Read interval of every symbol if there are no tick feeds, us."""


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
    """Replay recorded feeds through the live cache, stage and collector.

    Parameters
    ----------
    feeds
        The feed directory; it must hold a ``book`` feed.
    settings
        The settings; default `ReplaySettings`.
    start, end
        The range [start, end): Unix seconds, ISO 8601 text or an aware datetime; None if that side is open.
    symbols
        One symbol or several; empty for all.
    out
        Directory in which ``rejects/`` is written; None: bad lines are only counted.
    max_reject_ratio
        Tolerated fraction of bad lines per file.
    choose_latency
        Use the recorded latency if the feeds have one, otherwise that of the settings.
    progress
        Receives the fraction of the feeds read since the last call; the sum is 1.

    Returns
    -------
    ReplayOutcome
        Equal feeds and settings give equal bytes.

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
    share = _Progress(looked_at + sources.stored_bytes(*kinds), progress)
    if look_for_latency:
        latency = _recorded(sources, share)
        if latency is None and not choose_latency:
            raise BadLatency(
                "the feeds have no fetch_md duration of a cache miss",
                hint=f"Use --latency constant:{DEFAULT_MS:g} or another latency",
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

    def report(_lines: float) -> None:
        share.reached(looked_at + sources.bytes_read())

    with_deltas = DeltaSymbols([file for file in sources.files() if file.kind == "book"], sources.end)
    events = sources.events(ticks=not scheduled)
    driver = Driver(chosen, events, start_us=start_us, with_deltas=with_deltas, progress=report)
    with contextlib.closing(driver.file):
        drive(driver.run, clock=driver.clock)
        share.reached(share.total)
        _check_not_empty(driver, sources)
        return outcome_of(driver, sources, notes)


class _Progress:
    """The progress of a replay, computed from the number of bytes read."""

    def __init__(self, total: int, progress: Callable[[float], None]) -> None:
        self.total = max(total, 1)
        self._progress = progress
        self._reported = 0.0

    def reached(self, done: int) -> None:
        share = min(done / self.total, 1.0)
        self._progress(share - self._reported)
        self._reported = share


def _recorded(sources: Sources, share: _Progress) -> LatencyChoice | None:
    """The fetch_md durations of recorded misses, in file order; None if there are none."""
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


def _check_not_empty(driver: Driver, sources: Sources) -> None:
    missing = [symbol for symbol in sources.symbols if symbol not in driver.books]
    if missing:
        raise NoSuchSymbol(
            f"no book lines of {', '.join(missing[:5])} in the range", hint="Check --symbols and the range"
        )
    if not driver.recording.lines["book"]:
        raise NoLines("the book feed holds no usable line in the range", hint="Check --from and --to, or --feeds")
