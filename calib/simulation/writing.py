"""From a plan to feed files in an empty directory, through the loggers that a live bot uses."""

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
from calib.simulation.closed_loop.hour import BoxHour
from calib.simulation.incidents import HOUR_S
from calib.simulation.malformed import choose_hostile
from calib.simulation.plan import SimulationPlan, day_of
from calib.simulation.records import Record

SPOILED: Final = ("fills", "pipeline_ticks", "quotes")
"""Feeds that get hostile lines; what is recorded (market data, the quotes beside them) stays as it is."""
GZIP_LEVEL: Final = 9
ZSTD_LEVEL: Final = 12


def write_feeds(plan: SimulationPlan, directory: Path, progress: Callable[[float], None] = lambda _: None) -> None:
    """Write the plan's feeds, hour by hour.

    Parameters
    ----------
    plan
        What to write.
    directory
        An empty directory.
    progress
        Told the number of symbols times hours done since the last call, in parts of an hour.
    """
    for hour in plan.hours():
        paths = {kind: directory / feed_name(kind, day_of(hour)) for kind in plan.kinds()}
        begins = {kind: path.stat().st_size if path.exists() else 0 for kind, path in paths.items()}
        _write_hour(plan, hour, directory, progress)
        for kind, path in paths.items():
            recorded = kind == "quotes" and plan.quotes_recorded
            if plan.hostile and kind in SPOILED and path.exists() and not recorded:
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
    """One hour through loggers of its own: their sampling then starts afresh, so that an hour depends on no other."""
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
                return  # without the book nothing can be learned from them
            log[kind](record)

        length_s = min(HOUR_S, end_s - hour)
        BoxHour(
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
    """Append the hostile lines of the hour that begins at that offset of the file; they are made from its last one."""
    with path.open("r+b") as handle:
        handle.seek(begin)
        good = handle.read().splitlines()
        ways = choose_hostile(kind, hour, len(good))
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
