"""``calib check``: the health of feed files, and their schema."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from calib.cli import options, success
from calib.cli.check_ready import check_ready
from calib.cli.command import command
from calib.cli.length import length
from calib.cli.output import Session
from calib.cli.report_options import ReportFormat
from calib.cli.times import parse_duration
from calib.errors import UsageError
from calib.feeds.settings import CHECK
from calib.feeds.settings import SETTINGS as FEEDS
from calib.storage import Place, place_of, size_of
from calib.words import counted

if TYPE_CHECKING:
    from calib.metrics.text_file import JobResult

_MAX_JOBS: Final = 4
_MIN_BYTES_FOR_WORKERS: Final = 64 << 20
"""Below this size, starting workers takes longer than it saves."""


@command(
    "check",
    example="calib check --feeds artifacts/edge/feeds --max-age 2h",
    settings=[FEEDS["feeds"], FEEDS["out"], FEEDS["max_reject_ratio"], CHECK["check.max_bad_book_ratio"]],
    urls=True,
)
def check(
    session: Session,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH]...", help="Feed files or directories, or URLs of such; default --feeds."),
    ] = None,
    max_age: Annotated[
        str | None,
        typer.Option("--max-age", metavar="DURATION", help="Exit 1 if the newest line is older, such as 2h."),
    ] = None,
    rejects: Annotated[bool, typer.Option("--rejects", help="Write the bad lines to rejects/ below --out.")] = False,
    schema: Annotated[
        str | None, typer.Option("--schema", metavar="KIND", help="Only print the JSON Schema of a feed.")
    ] = None,
    prom: options.Prom = None,
    ready: Annotated[
        bool,
        typer.Option("--ready", help="Check whether a first calibration can begin: each figure with its limit."),
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", metavar="FILE", help="With --ready: fetch_md without the cache; a canary's baseline or ticks."
        ),
    ] = None,
    format_: Annotated[
        ReportFormat | None, typer.Option("--format", help="With --ready: also write the checklist as a report.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="With --ready: open the checklist in a browser.")] = False,
) -> int:
    """Report what the feeds contain and their problems: rejects, missing days, order, silences, lag, freshness.

    In recorded books also gaps, rewinds, duplicates and crossed books; in recorded trades missing and repeated ids.
    Exit 1 if a file has too many bad lines, or if a book has no usable snapshot or is bad for too many of its lines.

    Writes nothing unless --rejects is given.
    """
    if schema is not None:
        return _print_schema(session, schema)
    if ready:
        if max_age is not None or rejects:
            raise UsageError("--ready cannot be combined with --max-age or --rejects", hint="Run them separately")
        options.refuse_urls([*(paths or []), session.config["feeds"], session.config["out"]], "check --ready")
        return check_ready(session, [Path(path) for path in paths] if paths else None, baseline, format_, open_)
    if baseline is not None or format_ is not None or open_:
        raise UsageError("--baseline, --format and --open require --ready", hint="Add --ready")
    max_age_s = None if max_age is None else parse_duration(max_age)
    places = [place_of(path) for path in paths or [session.config["feeds"]]]
    return _check(session, places, max_age_s, time.time(), rejects, prom)


def _print_schema(session: Session, kind: str) -> int:
    import json

    from calib.feeds.schema.jsonschema import json_schema
    from calib.feeds.schema.table import FEEDS

    if kind not in FEEDS:
        raise UsageError(f"unknown feed {kind!r}", where="--schema", hint=f"One of {', '.join(FEEDS)}")
    made = json_schema(FEEDS[kind])
    return session.finish(made, json.dumps(made, indent=2).splitlines())


def _check(
    session: Session, paths: list[Place], max_age_s: float | None, now: float, keep: bool, prom: Path | None
) -> int:
    from calib.cli import check_sequence
    from calib.cli.check_verdict import verdict_of
    from calib.engines import decoders
    from calib.feeds.reading import checkup, days
    from calib.feeds.reading.batches import FeedReading, RecordReading
    from calib.feeds.reading.rejects import rejects_path

    files, near = _files(paths)
    for name in near:
        session.note(f"{name} is ignored: feed files are named KIND_YYYYMMDD.jsonl, .jsonl.gz or .jsonl.zst")
    found: list[checkup.FileHealth] = []
    audits, newest_days = check_sequence.Audits(files), days.NewestDays()
    total = sum(size_of(file.path) for file in files)
    jobs = min(_MAX_JOBS, os.cpu_count() or 1) if total > _MIN_BYTES_FOR_WORKERS else 1
    with session.progress("reading", float(total)) as advance, decoders(jobs) as engine:
        for file in files:
            with _rejects(session, file, keep) as sink:
                newest = file in newest_days
                if (watch := audits.watch(file)) is not None:
                    found.append(checkup.examine_records(RecordReading(file, newest=newest, rejects=sink), watch))
                else:
                    columns = checkup.columns_needed(file.kind)
                    found.append(
                        checkup.examine(FeedReading(file, columns, newest=newest, rejects=sink, engine=engine))
                    )
                audits.finish(file)
            advance(float(found[-1].stats.bytes))
    freshness = checkup.Freshness(now, checkup.newest_by_kind(found))
    missing = checkup.missing_by_kind(files)
    verdict = verdict_of(session.config, files, found, audits, freshness, max_age_s, keep=keep)
    data = {
        "schema": checkup.SCHEMA,
        "files": [checkup.as_data(health) | audits.as_data(file) for file, health in zip(files, found, strict=True)],
        "missing_days": {kind: [str(day) for day in gone] for kind, gone in missing.items()},
        "ignored": near,
        "newest": {kind: checkup.iso(ts) for kind, ts in freshness.newest_ts.items()},
        "age_s": None if freshness.age_s is None else round(freshness.age_s, 3),
        "max_age_s": max_age_s,
    }
    lines = []
    for file, health in zip(files, found, strict=True):
        kept = rejects_path(place_of(session.config["out"], "--out"), file.name) if keep else None
        lines += [*_describe(health, kept), *audits.describe(file), ""]
    lines += _days(missing)
    lines.append(_age(freshness))
    if not verdict:
        success.write_prom(prom, session, _result(found, missing))
    return session.finish(data, lines, exit_code=1 if verdict else 0, verdict=verdict)


def _result(found: list[Any], missing: dict[str, list[date]]) -> JobResult:
    """Return the result for the text file of ``--prom``."""
    from calib.metrics.text_file import JobResult, added, share

    stats = [health.stats for health in found]
    lines, used = sum(each.lines for each in stats), sum(each.used for each in stats)
    gone = sum(len(days) for days in missing.values())
    rejected = added(each.rejected for each in stats)
    return JobResult(used, rejected, share(used, lines), share(len(found), len(found) + gone))


def _files(paths: list[Place]) -> tuple[list[Any], list[str]]:
    """Return the feed files of the paths in order, and the names of files that nearly match."""
    from calib.feeds.reading import days

    chosen: dict[Place, Any] = {}
    near: list[str] = []
    for path in paths:
        named = days.DayFile.of(path) is not None
        if (path.is_dir() and not named) or not path.exists() if isinstance(path, Path) else not named:
            chosen |= {file.path: file for file in days.find_days(path)}
            near += days.near_misses(path)
        else:
            chosen[path] = days.named_file(path)
    return days.in_order(chosen.values()), near


def _rejects(session: Session, file: Any, keep: bool) -> AbstractContextManager[Any]:
    from calib.feeds.reading.rejects import rejects_path, rejects_to

    return rejects_to(rejects_path(place_of(session.config["out"], "--out"), file.name) if keep else None)


def _describe(health: Any, kept: Place | None) -> list[str]:
    from calib.feeds.reading.checkup import iso

    stats = health.stats
    rejected = stats.lines - stats.used
    share = f" ({rejected / stats.lines:.2%})" if rejected else ""
    lines = [f"{stats.file}: {counted(stats.lines, 'line')}, {stats.used} used, {rejected} rejected{share}"]
    for reason, count in stats.rejected.items():
        lines.append(f"  {reason:<14} {count}, first at line {stats.first_line[reason]}")
    lines += [f"  {'':<14} {fault.sentence}" for fault in stats.faults if fault.field and fault.what]
    if kept is not None and rejected:
        lines.append(f"  {'rejects':<14} {kept}")
    if stats.trade_id_conflicts:
        conflicts = counted(stats.trade_id_conflicts, "fill")
        lines.append(f"  {'trade ids':<14} {conflicts} with the id of another fill (trade_id_conflicts); each counts")
    if stats.used:
        lines.append(f"  {'time':<14} {iso(stats.min_ts)} to {iso(stats.max_ts)}, {stats.out_of_order} out of order")
    if health.silence is not None:
        lines.append(f"  {'silence':<14} {length(health.silence.duration_s)} from {iso(health.silence.start_ts)}")
    if health.by_symbol:
        worst = ", ".join(f"{gap.symbol} {length(gap.duration_s)}" for gap in health.by_symbol)
        symbols = counted(health.symbols, "symbol")
        lines.append(f"  {'by symbol':<14} {symbols}, longest silences: {worst}")
    if (lag := health.lag) is not None:
        quantiles = f"p50 {lag.p50_ms:g}, p95 {lag.p95_ms:g}, p99 {lag.p99_ms:g}"
        spread = f"{quantiles}, min {lag.min_ms:g}, max {lag.max_ms:g} ms"
        lines.append(f"  {'clock lag':<14} ts - ts_exchange of {counted(lag.lines, 'line')}: {spread}")
    if stats.unknown_fields:
        lines.append(f"  {'unknown fields':<14} {', '.join(stats.unknown_fields)}")
    return lines


def _days(missing: dict[str, list[date]]) -> list[str]:
    return [f"days missing, {kind}: {_spans(gone)}" for kind, gone in missing.items() if gone]


def _spans(days: list[date]) -> str:
    """Format days as spans: ``2025-01-02, 2025-01-04 to 2025-01-09 (6 days)``."""
    spans: list[list[date]] = []
    for day in days:
        if spans and day - spans[-1][-1] == timedelta(days=1):
            spans[-1].append(day)
        else:
            spans.append([day])
    return ", ".join(
        str(span[0]) if len(span) == 1 else f"{span[0]} to {span[-1]} ({counted(len(span), 'day')})" for span in spans
    )


def _age(freshness: Any) -> str:
    from calib.feeds.reading.checkup import iso

    if freshness.age_s is None:
        return "newest line: none"
    newest = max(ts for ts in freshness.newest_ts.values() if ts is not None)
    if freshness.age_s < 0:
        return f"newest line: {iso(newest)}, {length(-freshness.age_s)} in the future"
    return f"newest line: {iso(newest)}, {length(freshness.age_s)} old"
