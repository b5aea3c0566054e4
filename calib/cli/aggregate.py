"""``calib aggregate``: feeds into an interval dataset."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    from calib.dataset.build import DatasetOptions
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
        typer.Option(
            "--strict", help="Exit 1 also where no kept interval has a net_bps, or a kind of feed is missing."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be read and written; write nothing.")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Let a dataset without kept intervals replace one that has some."),
    ] = False,
    prom: options.Prom = None,
) -> int:
    """Cut feeds into one row per symbol and interval, drop the rows not fit to learn from, write the dataset.

    Without a range: every day that is there. Bad lines are counted and written to rejects/. Exit 1 where no row is
    left after the filters (the dataset is written all the same, unless --replace is missing and it would take the
    place of one that has rows). Settings other than the defaults add their hash to the name.
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
        if session.config.origin("feeds") == "default":  # most likely the first run of all
            error.hint = f"{error.hint}. To see how it works: `calib demo`; for logs of your own: `calib import`"
        raise
    for note in plan.notes:
        session.note(note)
    root = place_of(session.config["out"], "--out")
    if dry_run:
        return _say_plan(session, plan, root)
    with sole_use(root):
        return _make(session, plan, root, strict=strict, replace=replace, prom=prom, now=now)


def _recipe(session: Session) -> DatasetOptions:
    """What the settings ask of the dataset."""
    from calib.dataset.build import DatasetOptions
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


def _make(
    session: Session,
    plan: DatasetPlan,
    root: Place,
    *,
    strict: bool,
    replace: bool,
    prom: Path | None,
    now: float,
) -> int:
    from calib.dataset.build import build_from_plan
    from calib.dataset.store import write_dataset
    from calib.engines.choice import EngineChoice

    if isinstance(root, Path):
        make_directory(root / "datasets")
    total = sum(size_of(file.path) for file in plan.files)
    with session.progress("aggregate", total) as advance:
        dataset = build_from_plan(
            plan,
            _recipe(session),
            out=root,
            engine=EngineChoice.of(session.config),
            note=session.note,
            progress=signals.checked(advance),
        )
    signals.check()
    for item in dataset.inputs:
        bad = ", ".join(f"{reason} {count}" for reason, count in item.rejected.items())
        session.detail(f"{item.file}: {counted(item.lines, 'line')}, {item.used} used, rejected: {bad or 'none'}")
    verdict = _verdict(session, dataset, strict=strict) or _absent_kinds(session, plan, strict=strict)
    try:
        paths = write_dataset(dataset, root / "datasets", session.config["aggregate.format"], replace=replace)
    except WouldReplace as stays:
        paths, verdict = [], f"{verdict}; {stays}"
    if more := paths[len(dict.fromkeys(session.config["aggregate.format"])) :]:
        session.note(f"also written, as they lay there: {', '.join(path.name for path in more)}")
    exit_code = 1 if verdict else 0
    if exit_code == 0:
        success.write_last_success(root, "aggregate", now, {"datasets": [str(path) for path in paths]})
        success.write_prom(prom, session, _result(dataset))
    digest = _digest(dataset)
    return session.finish(_data(dataset, paths), [*map(str, paths), *digest], exit_code=exit_code, verdict=verdict)


def _verdict(session: Session, dataset: Dataset, *, strict: bool) -> str:
    """Why the answer is no; empty where it is yes."""
    if dataset.counts.kept == 0:
        reasons = ", ".join(f"{reason} {count}" for reason, count in dataset.counts.dropped.items() if count)
        return f"no interval is left of {dataset.counts.intervals} after the filters ({reasons})"
    if dataset.intervals["net_bps"].null_count() < dataset.intervals.height:
        return ""
    nothing = "no kept interval has a net_bps: there is no fill with mid_now in it, so nothing to calibrate against"
    if strict:
        return nothing
    session.note(nothing)
    return ""


def _absent_kinds(session: Session, plan: DatasetPlan, *, strict: bool) -> str:
    """Say which kind of feed has no file at all in the range, also when quiet; with ``--strict`` that is a no."""
    found = {file.kind for file in plan.files}
    absent = [kind for kind in plan.missing if kind not in found]
    if not absent:
        return ""
    sentence = f"the range has no file of {' and '.join(absent)}: was the bot logging?"
    if strict:
        return sentence
    say("note", sentence, session.color)
    return ""


def _digest(dataset: Dataset) -> list[str]:
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


def _data(dataset: Dataset, paths: list[Place]) -> dict[str, Any]:
    import msgspec

    parts = ("range", "filters", "params", "inputs", "missing_days", "counts")
    return {
        "paths": [str(path) for path in paths],
        **{name: msgspec.to_builtins(getattr(dataset, name)) for name in parts},
    }


def _result(dataset: Dataset) -> JobResult:
    """What the text file of ``--prom`` says."""
    from calib.metrics.text_file import JobResult, added, share
    from calib.reports.coverage import Coverage

    counts, inputs = dataset.counts, dataset.inputs
    used, rejected = sum(item.used for item in inputs), added(item.rejected for item in inputs)
    missing = len(dataset.missing_days.fills) + len(dataset.missing_days.pipeline_ticks)
    return JobResult(
        used,
        rejected,
        share(counts.kept, counts.intervals),
        Coverage.of(dataset).ratio,
        {
            "intervals_kept": counts.kept,
            "intervals_dropped": counts.dropped,
            "lines_used": used,
            "lines_rejected": rejected,
            "missing_files": missing,
        },
    )


def _say_plan(session: Session, plan: DatasetPlan, root: Place) -> int:
    """What ``--dry-run`` prints: files, days missing, intervals expected and paths."""
    from calib.dataset.build import planned_name

    formats = session.config["aggregate.format"]
    name = planned_name(plan, _recipe(session))
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
