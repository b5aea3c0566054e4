"""``calib aggregate``: build an interval dataset from feeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib import system
from calib.cli import options, signals, success
from calib.cli.command import command
from calib.cli.output import Session, say
from calib.cli.times import parse_range
from calib.dataset.settings import SETTINGS
from calib.errors import NoFeeds, WouldReplace
from calib.feeds.settings import ENGINE
from calib.feeds.settings import SETTINGS as FEEDS
from calib.files import make_directory
from calib.storage import Place, place_of, size_of, sole_use
from calib.words import counted

if TYPE_CHECKING:
    from calib.dataset.assembly import DatasetOptions
    from calib.dataset.finished import FinishedDays
    from calib.dataset.lean import LeanDataset
    from calib.dataset.model import Dataset
    from calib.dataset.plan import DatasetPlan
    from calib.metrics.text_file import JobResult


@command(
    "aggregate",
    example="calib aggregate --day yesterday --format json,parquet",
    settings=[*FEEDS.values(), *ENGINE.values(), *SETTINGS.values()],
    directory=True,
    urls=True,
)
def aggregate(
    session: Session,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit 1 also if no kept interval has a net_bps or a kind of feed is missing."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be read and written; write nothing.")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Let a dataset without kept intervals replace one that has some."),
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Hash whole files before finished rows of them are used, instead of trusting size, times and ends.",
        ),
    ] = False,
    prom: options.Prom = None,
) -> int:
    """Cut feeds into one row per symbol and interval, drop the unusable rows, and write the dataset.

    Without a range: all days. Bad lines are counted and written to rejects/. Exit 1 if no row is left after the
    filters; the dataset is written nevertheless, but it replaces one that has rows only with --replace. Settings
    other than the defaults add their hash to the name.
    """
    now = time.time()
    asked = parse_range(start=start, end=end, since=since, day=day, now=now)

    from calib.dataset.plan import plan_dataset

    try:
        plan = plan_dataset(
            place_of(session.config["feeds"], "--feeds"),
            start=asked.start,
            end=asked.end,
            interval_sec=session.config["aggregate.interval_sec"],
        )
    except NoFeeds as error:
        if session.config.origin("feeds") == "default":  # most likely the first run
            error.hint = f"{error.hint}. To see an example: `calib demo`; to import your own logs: `calib import`"
        raise
    for note in plan.notes:
        session.note(note)
    root = place_of(session.config["out"], "--out")
    if dry_run:
        return _show_plan(session, plan, root)
    with sole_use(root):
        return _make(session, plan, root, strict=strict, replace=replace, verify=verify, prom=prom, now=now)


def _dataset_options(session: Session) -> DatasetOptions:
    """Return the options of the dataset from the settings."""
    from calib.dataset.assembly import DatasetOptions
    from calib.dataset.filters import chosen_filters
    from calib.feeds.contracts import contracts_of

    values = session.config.section("aggregate")
    limits = {f"aggregate.{name}": value for name, value in values.items()}
    return DatasetOptions(
        symbols=tuple(session.config["symbols"]),
        filters=chosen_filters(limits, off=values["no_filter"]),
        tick_sample_rate=values["tick_sample_rate"],
        maker_fee_bps=values["maker_fee_bps"],
        taker_fee_bps=values["taker_fee_bps"],
        max_reject_ratio=session.config["max_reject_ratio"],
        contracts=contracts_of(session.config["contracts"]),
    )


def _finished(session: Session, plan: DatasetPlan, root: Place, *, verify: bool) -> FinishedDays | None:
    """Where the rows of days are kept; None where that is switched off, or no day is worth it."""
    from calib.dataset.kept_days import worth_keeping

    if not session.config["aggregate.cache"]:
        return None
    if not isinstance(root, Path) or not worth_keeping(plan):
        session.detail(
            "finished days: none kept of files below 16 MiB in all, of URLs, or of intervals that cross midnight"
        )
        return None
    from calib.dataset.finished import FinishedDays
    from calib.dataset.finished.directory import NAME

    return FinishedDays(root / NAME, limit_bytes=session.config["aggregate.cache_mib"] << 20, verify=verify)


def _make(
    session: Session,
    plan: DatasetPlan,
    root: Place,
    *,
    strict: bool,
    replace: bool,
    verify: bool,
    prom: Path | None,
    now: float,
) -> int:
    if isinstance(root, Path):
        make_directory(root / "datasets")
    finished = _finished(session, plan, root, verify=verify)
    system.return_large_blocks()
    total = sum(size_of(file.path) for file in plan.files)
    with session.progress("aggregate", total) as advance:
        dataset = _build(session, plan, root, finished, signals.checked(advance))
    signals.check()
    if finished is not None:
        session.detail(finished.summary)
    for item in dataset.inputs:
        bad = ", ".join(f"{reason} {count}" for reason, count in item.rejected.items())
        session.detail(f"{item.file}: {counted(item.lines, 'line')}, {item.used} used, rejected: {bad or 'none'}")
    verdict = _verdict(session, dataset, strict=strict) or _absent_kinds(session, plan, strict=strict)
    try:
        paths = _write(
            dataset, root / "datasets", session.config["aggregate.format"], replace=replace, finished=finished
        )
    except WouldReplace as error:
        paths, verdict = [], f"{verdict}; {error}"
    if more := paths[len(dict.fromkeys(session.config["aggregate.format"])) :]:
        session.note(f"also updated, because they existed: {', '.join(path.name for path in more)}")
    exit_code = 1 if verdict else 0
    if exit_code == 0:
        success.write_last_success(root, "aggregate", now, {"datasets": [str(path) for path in paths]})
        if prom is not None:
            success.write_prom(prom, session, _result(dataset))
    digest = _digest(dataset)
    return session.finish(_data(dataset, paths), [*map(str, paths), *digest], exit_code=exit_code, verdict=verdict)


def _build(
    session: Session,
    plan: DatasetPlan,
    root: Place,
    finished: FinishedDays | None,
    progress: Callable[[float], None],
) -> Dataset | LeanDataset:
    """The dataset; json and csv need no polars where the kernel is and no rows are kept."""
    from calib.dataset.lean import PLAIN_FORMATS
    from calib.engines.choice import EngineChoice

    recipe, engine = _dataset_options(session), EngineChoice.of(session.config)
    plain = set(session.config["aggregate.format"]) <= set(PLAIN_FORMATS)
    if plain and finished is None and engine.name == "auto" and plan.is_local and isinstance(root, Path):
        from calib.dataset.lean_build import build_lean

        lean = build_lean(plan, recipe, out=root, jobs=engine.jobs, note=session.note, progress=progress)
        if lean is not None:
            return lean
    from calib.dataset.build import build_from_plan

    return build_from_plan(
        plan, recipe, out=root, engine=engine, finished=finished, note=session.note, progress=progress
    )


def _write(
    dataset: Dataset | LeanDataset,
    directory: Place,
    formats: Sequence[str],
    *,
    replace: bool,
    finished: FinishedDays | None,
) -> list[Place]:
    from calib.dataset.lean import LeanDataset

    if isinstance(dataset, LeanDataset):
        from calib.dataset.lean_store import write_lean

        assert isinstance(directory, Path)  # see `_build`
        return list(write_lean(dataset, directory, formats, replace=replace))
    from calib.dataset.store import write_dataset

    whole = None if finished is None else finished.whole
    return write_dataset(dataset, directory, formats, replace=replace, whole=whole)


def _verdict(session: Session, dataset: Dataset | LeanDataset, *, strict: bool) -> str:
    """Return why the verdict is no; empty if it is yes."""
    if dataset.counts.kept == 0:
        reasons = ", ".join(f"{reason} {count}" for reason, count in dataset.counts.dropped.items() if count)
        return f"no interval is left of {dataset.counts.intervals} after the filters ({reasons})"
    if dataset.known("net_bps"):
        return ""
    nothing = "no kept interval has a net_bps, because none has a fill with mid_now; a calibration needs it"
    if strict:
        return nothing
    session.note(nothing)
    return ""


def _absent_kinds(session: Session, plan: DatasetPlan, *, strict: bool) -> str:
    """Report the kinds of feed without any file in the range, also when quiet; with ``--strict`` as the verdict."""
    found = {file.kind for file in plan.files}
    absent = [kind for kind in plan.missing if kind not in found]
    if not absent:
        return ""
    sentence = f"the range has no file of {' and '.join(absent)}: was the bot logging?"
    if strict:
        return sentence
    say("note", sentence, session.color)
    return ""


def _digest(dataset: Dataset | LeanDataset) -> list[str]:
    counts, span = dataset.counts, dataset.range
    dropped = ", ".join(f"{reason} {count}" for reason, count in counts.dropped.items() if count)
    lines, used = (sum(getattr(item, name) for item in dataset.inputs) for name in ("lines", "used"))
    missing = len(dataset.missing_days.fills) + len(dataset.missing_days.pipeline_ticks)
    kept = f"{counts.kept} of {counted(counts.intervals, 'interval')} kept"
    read = f"{counted(len(dataset.inputs), 'file')}, {counted(lines, 'line')}, {lines - used} rejected"
    return [
        f"{kept}, {counted(len(span.symbols), 'symbol')}, {span.from_} to {span.to}",
        f"dropped: {dropped or 'none'}",
        f"read: {read}; {counted(missing, 'day')} missing",
    ]


def _data(dataset: Dataset | LeanDataset, paths: list[Place]) -> dict[str, Any]:
    import msgspec

    parts = ("range", "filters", "params", "inputs", "missing_days", "counts")
    return {
        "paths": [str(path) for path in paths],
        **{name: msgspec.to_builtins(getattr(dataset, name)) for name in parts},
    }


def _result(dataset: Dataset | LeanDataset) -> JobResult:
    """Return the result for the text file of ``--prom``."""
    from calib.dataset.lean import LeanDataset
    from calib.metrics.text_file import JobResult, added, share
    from calib.reports.coverage import Coverage

    counts, inputs = dataset.counts, dataset.inputs
    used, rejected = sum(item.used for item in inputs), added(item.rejected for item in inputs)
    missing = len(dataset.missing_days.fills) + len(dataset.missing_days.pipeline_ticks)
    return JobResult(
        used,
        rejected,
        share(counts.kept, counts.intervals),
        Coverage.of(dataset.whole() if isinstance(dataset, LeanDataset) else dataset).ratio,
        {
            "intervals_kept": counts.kept,
            "intervals_dropped": counts.dropped,
            "lines_used": used,
            "lines_rejected": rejected,
            "missing_files": missing,
        },
    )


def _show_plan(session: Session, plan: DatasetPlan, root: Place) -> int:
    """Print for ``--dry-run`` the files, the missing days, the expected intervals and the paths."""
    from calib.dataset.assembly import planned_name

    formats = session.config["aggregate.format"]
    name = planned_name(plan, _dataset_options(session))
    paths = [str(root / "datasets" / f"{name}.{form}") for form in dict.fromkeys(formats)]
    symbols, span = session.config["symbols"], plan.range([])
    per = counted(len(symbols), "symbol") if symbols else "each symbol"
    missing = {kind: [day.isoformat() for day in days] for kind, days in plan.missing.items()}
    lines = [
        *(f"would read   {file.path} ({counted(size_of(file.path), 'byte')})" for file in plan.files),
        *(f"missing      {kind} {day}" for kind, days in missing.items() for day in days),
        f"expected     {counted(plan.intervals, 'interval')} of {plan.grid.interval_sec} s for {per}, at most",
        *(f"would write  {path}" for path in paths),
        f"rejects to   {root / 'rejects'}",
    ]
    data = {
        "range": {"from": span.from_, "to": span.to, "interval_sec": span.interval_sec},
        "files": [{"path": str(file.path), "bytes": size_of(file.path)} for file in plan.files],
        "missing_days": missing,
        "intervals_per_symbol": plan.intervals,
        "paths": paths,
        "rejects": str(root / "rejects"),
    }
    return session.finish({"dry_run": True, **data}, lines)
