"""Feeds of an AB experiment: lines in time order, each with its arm."""

from __future__ import annotations

import glob
import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import polars as pl

from calib.errors import NoBuckets, NoFeeds, NoLines, NoSuchSymbol, UsageError
from calib.experiments.records import FILL_FIELDS, TICK_FIELDS
from calib.experiments.routing import Assignment, RecordedRouter, Router
from calib.feeds.reading.batches import read_batches, within
from calib.feeds.reading.days import DayFile, find_days, in_order, named_file, newest_days
from calib.feeds.reading.rejects import check_ratio, rejects_path, rejects_to
from calib.feeds.reading.stats import FileStats
from calib.feeds.settings import MAX_REJECT_RATIO

COLUMNS: Final = {"fills": FILL_FIELDS, "pipeline_ticks": TICK_FIELDS}
SWITCHES: Final = 3
"""Average number of arm changes per symbol from which a recording counts as a switchback."""


@dataclass(frozen=True, slots=True)
class ArmFile:
    """A feed file, and the arm of all its lines if ``--bucket`` names one, else None."""

    file: DayFile
    arm: str | None


@dataclass(slots=True)
class ABFeeds:
    """The files of one evaluation, with its range and symbols.

    Parameters
    ----------
    files
        Files of the kinds ``fills`` and ``pipeline_ticks``.
    start, end
        The range [start, end) in Unix seconds; None where that side is open.
    symbols
        The symbols to read; empty for all.
    out
        The root below which rejects are written; None writes none.
    max_reject_ratio
        See `calib.feeds.reading.rejects.check_ratio`.
    """

    files: list[ArmFile]
    start: float | None
    end: float | None
    symbols: tuple[str, ...] = ()
    out: Path | None = None
    max_reject_ratio: float = MAX_REJECT_RATIO
    stats: list[FileStats] = field(default_factory=list)
    without_bucket: int = 0
    """Number of lines in the range without an arm; they are left out."""

    def frame(self, entry: ArmFile, *, first_time: bool) -> pl.DataFrame:
        """Return one file's lines of the range in time order; the first read writes and checks its rejects."""
        name = entry.file.name if entry.arm is None else f"{entry.arm}.{entry.file.name}"
        columns = COLUMNS[entry.file.kind]
        newest = entry.file in newest_days(known.file for known in self.files)
        path = rejects_path(self.out, name) if first_time and self.out is not None else None
        with rejects_to(path) as rejects:
            reading = read_batches(entry.file, columns, newest=newest, rejects=rejects)
            frames = [batch.filter(within(self.start, self.end, self.symbols)) for batch in reading]
        if first_time:
            self.stats.append(reading.stats)
            check_ratio(reading.stats, self.max_reject_ratio)
        frame = pl.concat(frames) if frames else pl.DataFrame()
        if entry.arm is not None and frame.height:
            frame = frame.with_columns(pl.lit(entry.arm).alias("bucket"))
        return frame.sort("ts", maintain_order=True) if frame.height else frame

    def survey(self) -> Survey:
        """Read all files once for the symbols, their arms and the number of arm changes.

        Raises
        ------
        NoLines, NoSuchSymbol, TooManyRejects
            If there is nothing to evaluate.
        """
        survey = Survey()
        for _, entries in groupby(self.files, key=lambda entry: (entry.file.kind, entry.file.day)):
            # Both arms' files of a day together: with --bucket the arm changes only between files.
            frames = [frame for entry in entries if (frame := self.frame(entry, first_time=True)).height]
            if frames:
                survey.add(pl.concat(frames).sort("ts", maintain_order=True))
        if not survey.lines:
            if self.symbols and any(stats.used for stats in self.stats):
                raise NoSuchSymbol(
                    f"no line of {', '.join(self.symbols[:5])} in the range", hint="Check --symbols and the range"
                )
            raise NoLines("the feeds have no usable line in the range", hint="Check --from and --to, or --feeds")
        return survey

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield ``(kind, line)`` in time order, day by day; lines with equal times in the order of their files."""
        days = sorted({entry.file.day for entry in self.files})
        for day in days:
            frames = [
                (entry.file.kind, self.frame(entry, first_time=False)) for entry in self.files if entry.file.day == day
            ]
            streams = [_rows(kind, frame) for kind, frame in frames if frame.height]
            for _, kind, row in heapq.merge(*streams, key=itemgetter(0)):
                yield kind, row


def _rows(kind: str, frame: pl.DataFrame) -> Iterator[tuple[float, str, dict[str, Any]]]:
    for row in frame.drop("line").iter_rows(named=True):
        yield row["ts"], kind, row


@dataclass(slots=True)
class Survey:
    """The symbols, arms and arm changes of a recording."""

    lines: int = 0
    bucketed: int = 0
    changes: int = 0
    arms: dict[str, dict[str, int]] = field(default_factory=dict)
    """Number of lines per arm, by symbol."""
    first: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Time and arm of the first line, by symbol."""

    def add(self, frame: pl.DataFrame) -> None:
        """Add lines in time order."""
        self.lines += frame.height
        for symbol in frame["symbol"].unique().sort():
            self.arms.setdefault(symbol, {})
        known = frame.filter(pl.col("bucket").is_not_null()).select("symbol", "ts", "bucket")
        self.bucketed += known.height
        changed = known.select((pl.col("bucket") != pl.col("bucket").shift().over("symbol")).fill_null(value=False))
        self.changes = max(self.changes, int(changed.to_series().sum()))
        for symbol, arm, count in known.group_by("symbol", "bucket").len().sort("symbol", "bucket").iter_rows():
            self.arms[symbol][arm] = self.arms[symbol].get(arm, 0) + count
        first = known.group_by("symbol").agg(pl.col("ts").first(), pl.col("bucket").first()).sort("symbol")
        for symbol, ts, arm in first.iter_rows():
            if symbol not in self.first or ts < self.first[symbol][0]:
                self.first[symbol] = (ts, arm)

    @property
    def looks_like_switchback(self) -> bool:
        """Whether symbols change their arm repeatedly; a ramp or a rollback moves each symbol only once."""
        return self.changes >= SWITCHES * max(1, len(self.arms))


def choose_files(directory: Path, buckets: list[str], start: float | None, end: float | None) -> list[ArmFile]:
    """Return the files to read: those of the directory, or those of ``A=GLOB`` and ``B=GLOB``.

    Raises
    ------
    UsageError
        If a text is not ``A=GLOB`` or ``B=GLOB``, or only one arm is named.
    NoFeeds
        If a glob matches nothing.
    """
    if not buckets:
        return [ArmFile(file, None) for file in find_days(directory, COLUMNS) if file.touches(start, end)]
    found: list[ArmFile] = []
    arms = set()
    for text in buckets:
        arm, equals, pattern = text.partition("=")
        if arm not in ("A", "B") or not equals or not pattern:
            raise UsageError(f"--bucket {text!r} is not A=FILES or B=FILES", hint="Example: --bucket 'A=a/*.jsonl'")
        paths = sorted(glob.glob(pattern))  # noqa: PTH207 - the user's pattern may be absolute
        if not paths:
            raise NoFeeds(f"--bucket {text}: no file matches", where=pattern, hint="Quote the pattern; check the path")
        arms.add(arm)
        files = in_order([named_file(Path(path)) for path in paths])
        found += [ArmFile(file, arm) for file in files if file.kind in COLUMNS and file.touches(start, end)]
    if arms != {"A", "B"}:
        raise UsageError(
            f"--bucket names only {' and '.join(sorted(arms))}", hint="Give both: --bucket A=... --bucket B=..."
        )
    return sorted(found, key=lambda entry: (entry.file.kind, entry.file.day, entry.arm or "", str(entry.file.path)))


def recorded_router(survey: Survey, block_s: float, rule: Assignment | None) -> RecordedRouter:
    """Return a router of the recorded arms; ``rule`` None detects whether they are persistent or a switchback.

    Raises
    ------
    NoBuckets
        If no line has an arm.
    """
    if not survey.bucketed:
        raise NoBuckets(
            "no line in the range has a bucket",
            hint="Log `bucket` with each line, or name the arms with --assign SALT/SPLIT or --bucket ARM=FILES",
        )
    if rule is None:
        rule = Assignment.SWITCHBACK if survey.looks_like_switchback else Assignment.HASH
    return RecordedRouter(rule, {symbol: arm for symbol, (_, arm) in sorted(survey.first.items())}, block_s=block_s)


def assigned_router(text: str, rule: Assignment, symbols: list[str], section: Mapping[str, Any]) -> Router:
    """Return the router of ``--assign SALT[/SPLIT]``: the split is a fraction (0.5), percent (50%) or ``ab.split``.

    Parameters
    ----------
    section
        The settings below ``ab.``: split, whitelist, blacklist and block length.

    Raises
    ------
    UsageError
        If the text is not ``SALT`` or ``SALT/SPLIT``.
    """
    salt, _, share = text.rpartition("/") if "/" in text else (text, "", str(section["split"]))
    number = share.removesuffix("%")
    try:
        split = float(number) / (100 if share.endswith("%") else 1)
    except ValueError:
        split = -1.0
    if not salt or not 0 <= split <= 1:
        raise UsageError(
            f"--assign {text!r} is not SALT/SPLIT",
            hint="Give the split as a fraction or in percent: demo/0.5 or demo/50%",
        )
    lists = {name: section[name] for name in ("whitelist", "blacklist")}
    router = Router(rule, salt, split, block_s=section["block_s"], **lists)
    router.add(symbols)
    return router
