"""Writes a plan as feed files into an empty directory, with the loggers of a live bot."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import zstandard

from calib.feeds.writers import BookLogger, FillLogger, PipelineTickLogger, QuoteLogger, TradeLogger
from calib.simulation.closed_loop.hour import ClosedLoopHour
from calib.simulation.incidents import HOUR_S
from calib.simulation.malformed import choose_malformed
from calib.simulation.plan import SimulationPlan, day_of
from calib.simulation.records import Record

CORRUPTED_FEEDS: Final = ("fills", "pipeline_ticks", "quotes")
"""Feeds that get malformed lines; recorded feeds (market data, and quotes beside them) get none."""
GZIP_LEVEL: Final = 9
ZSTD_LEVEL: Final = 12


def write_feeds(plan: SimulationPlan, directory: Path, progress: Callable[[float], None] = lambda _: None) -> None:
    """Write the feeds of a plan, hour by hour.

    Parameters
    ----------
    plan
        What to write.
    directory
        An empty directory.
    progress
        Receives the number of symbol-hours done since the last call; fractions of an hour are possible.
    """
    for hour in plan.hours():
        paths = {kind: directory / feed_name(kind, day_of(hour)) for kind in plan.kinds()}
        begins = {kind: path.stat().st_size if path.exists() else 0 for kind, path in paths.items()}
        _write_hour(plan, hour, directory, progress)
        for kind, path in paths.items():
            recorded = kind == "quotes" and plan.quotes_recorded
            if plan.hostile and kind in CORRUPTED_FEEDS and path.exists() and not recorded:
                _corrupt(path, begins[kind], kind, hour)
    for day in plan.days():
        form = plan.form(day)
        if form is not None:
            for kind in plan.kinds():
                _compress(directory / feed_name(kind, day), form)


def feed_name(kind: str, day: str) -> str:
    """Name of a feed file.

    >>> feed_name("fills", "20250101")
    'fills_20250101.jsonl'
    """
    return f"{kind}_{day}.jsonl"


def _write_hour(plan: SimulationPlan, hour: int, directory: Path, progress: Callable[[float], None]) -> None:
    """Write one hour with new loggers: their sampling starts over, so hours do not depend on each other."""
    kinds = set(plan.kinds())
    settings = plan.box if hour in plan.first_hours() else replace(plan.box, record=())
    with contextlib.ExitStack() as stack:
        log: dict[str, Callable[[Record], object]] = {}
        for logger in (FillLogger, QuoteLogger, BookLogger, TradeLogger):
            if logger.feed.kind in kinds:
                log[logger.feed.kind] = stack.enter_context(logger(directory, background=False, fsync="never")).log
        ticks = PipelineTickLogger(directory, sample_rate=plan.sample_rate, background=False, fsync="never")
        log["pipeline_ticks"] = stack.enter_context(ticks).log

        start_s, end_s = plan.bounds(hour)
        until_s = hour + settings.record_s

        def sink(kind: str, record: Record) -> None:
            if kind not in log or not start_s <= record["ts"] < end_s:
                return
            recorded = record["symbol"] in settings.record and record["ts"] < until_s
            if kind == "quotes" and plan.quotes_recorded and not recorded:
                return  # quotes without a recorded book cannot be evaluated
            log[kind](record)

        length_s = min(HOUR_S, end_s - hour)
        ClosedLoopHour(
            plan.seed,
            plan.symbols,
            hour,
            settings,
            sink,
            length_s=length_s,
            incidents=plan.incidents,
            progress=lambda share: progress(share * len(plan.symbols)),
        ).run()


def _corrupt(path: Path, begin: int, kind: str, hour: int) -> None:
    """Append the malformed lines of the hour that begins at that offset; they are derived from its last line."""
    with path.open("r+b") as handle:
        handle.seek(begin)
        good = handle.read().splitlines()
        ways = choose_malformed(kind, hour, len(good))
        handle.writelines(way.corrupt(json.loads(good[-1])) + b"\n" for way in ways)


def _compress(path: Path, form: str) -> None:
    if not path.exists():
        return
    target = path.with_name(f"{path.name}.{form}")
    with path.open("rb") as source, target.open("wb") as packed:
        if form == "gz":
            with gzip.GzipFile("", "wb", GZIP_LEVEL, packed, mtime=0) as writer:
                shutil.copyfileobj(source, writer)
        else:
            zstandard.ZstdCompressor(level=ZSTD_LEVEL).copy_stream(source, packed, size=path.stat().st_size)
    path.unlink()
