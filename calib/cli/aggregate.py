"""``calib aggregate``: feeds into an interval dataset."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib.cli import options, signals, success
from calib.cli.output import Session
from calib.cli.times import parse_range
from calib.errors import UsageError
from calib.files import locked, make_directory

if TYPE_CHECKING:
    from calib.dataset.build import DatasetOptions
    from calib.dataset.model import Dataset
    from calib.dataset.plan import DatasetPlan


def aggregate(
    feeds: options.Feeds = None,
    out: options.Out = None,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
    symbols: options.Symbols = None,
    interval_sec: Annotated[int | None, typer.Option(metavar="S", help="Length of an interval, s [300].")] = None,
    min_ticks: Annotated[
        int | None, typer.Option(metavar="N", help="Filter low_ticks: fewest tick lines [10].")
    ] = None,
    max_deadline_miss_rate: Annotated[
        float | None, typer.Option(metavar="X", help="Filter deadline_miss: largest share of late ticks [0.05].")
    ] = None,
    max_gap_sec: Annotated[
        float | None, typer.Option(metavar="S", help="Filter ws_gap: longest silence, s [60].")
    ] = None,
    no_filter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Switch a filter off: low_ticks, deadline_miss, ws_gap, non_finite; repeat."),
    ] = None,
    tick_sample_rate: Annotated[
        int | None, typer.Option(metavar="N", help="Ticks that a line without sample_rate stands for [10].")
    ] = None,
    maker_fee_bps: Annotated[
        float | None, typer.Option(metavar="BPS", help="Fee of a maker fill without fee_bps [0].")
    ] = None,
    taker_fee_bps: Annotated[
        float | None, typer.Option(metavar="BPS", help="Fee of a taker fill without fee_bps [0].")
    ] = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    form: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="F[,F]", help="json, parquet, csv or arrow; repeat or use commas [json]."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(metavar="N", help="Processes that read [one a core].")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 also where no kept interval has a net_bps.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be read and written; write nothing.")
    ] = False,
    prom: Annotated[
        Path | None, typer.Option("--prom", metavar="FILE", help="Also write metrics as a text file, on success only.")
    ] = None,
    config: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Cut feeds into one row per symbol and interval, drop the rows not fit to learn from, write the dataset.

    Without a range: every day that is there. Bad lines are counted and written to rejects/. Exit 1 where no row is
    left after the filters (the dataset is written all the same).
    """
    flags = {
        "feeds": feeds,
        "out": out,
        "symbols": options.split_commas(symbols),
        "max_reject_ratio": max_reject_ratio,
        "jobs": jobs,
        "aggregate.interval_sec": interval_sec,
        "aggregate.min_ticks": min_ticks,
        "aggregate.max_deadline_miss_rate": max_deadline_miss_rate,
        "aggregate.max_gap_sec": max_gap_sec,
        "aggregate.no_filter": options.split_commas(no_filter),
        "aggregate.tick_sample_rate": tick_sample_rate,
        "aggregate.maker_fee_bps": maker_fee_bps,
        "aggregate.taker_fee_bps": taker_fee_bps,
        "aggregate.format": options.split_commas(form),
    }
    for name, value in (("--symbols", flags["symbols"]), ("--format", flags["aggregate.format"])):
        if value == []:
            raise UsageError(f"{name} names nothing", hint=f"Leave {name} out, or say what you mean")
    session = options.start(
        "aggregate", flags=flags, config=config, output=output, quiet=quiet, verbose=verbose, color=color
    )
    now = time.time()
    asked = parse_range(start=start, end=end, since=since, day=day, now=now)

    from calib.dataset.plan import plan_dataset

    plan = plan_dataset(
        Path(session.config["feeds"]),
        start=asked.start,
        end=asked.end,
        interval_sec=session.config["aggregate.interval_sec"],
    )
    for note in plan.notes:
        session.note(note)
    root = Path(session.config["out"])
    if dry_run:
        return _say_plan(session, plan, root)
    with locked(root):
        return _make(session, plan, root, strict=strict, prom=prom, now=now)


def _recipe(session: Session) -> DatasetOptions:
    """What the settings ask of the dataset."""
    from calib.dataset.build import DatasetOptions
    from calib.dataset.filters import chosen_filters

    values = session.config.section("aggregate")
    limits = {f"aggregate.{name}": value for name, value in values.items()}
    return DatasetOptions(
        symbols=tuple(session.config["symbols"]),
        filters=chosen_filters(limits, off=values["no_filter"]),
        tick_sample_rate=values["tick_sample_rate"],
        maker_fee_bps=values["maker_fee_bps"],
        taker_fee_bps=values["taker_fee_bps"],
        max_reject_ratio=session.config["max_reject_ratio"],
    )


def _make(session: Session, plan: DatasetPlan, root: Path, *, strict: bool, prom: Path | None, now: float) -> int:
    from calib.dataset.build import build_from_plan, stored_size
    from calib.dataset.store import write_dataset

    make_directory(root / "datasets")
    total = sum(stored_size(file) for file in plan.files)
    with session.progress("aggregate", total) as advance:
        dataset = build_from_plan(
            plan,
            _recipe(session),
            out=root,
            jobs=session.config["jobs"],
            note=session.note,
            progress=signals.checked(advance),
        )
    signals.check()
    for item in dataset.inputs:
        bad = ", ".join(f"{reason} {count}" for reason, count in item.rejected.items())
        session.detail(f"{item.file}: {item.lines} lines, {item.used} used, rejected: {bad or 'none'}")
    paths = write_dataset(dataset, root / "datasets", session.config["aggregate.format"])
    verdict = _verdict(session, dataset, strict=strict)
    exit_code = 1 if verdict else 0
    if exit_code == 0:
        success.write_last_success(root, "aggregate", now, {"datasets": [str(path) for path in paths]})
        if prom is not None:
            success.write_prom(prom, "aggregate", now, _gauges(dataset))
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


def _digest(dataset: Dataset) -> list[str]:
    counts, span = dataset.counts, dataset.range
    dropped = ", ".join(f"{reason} {count}" for reason, count in counts.dropped.items() if count)
    lines, used = (sum(getattr(item, name) for item in dataset.inputs) for name in ("lines", "used"))
    missing = len(dataset.missing_days.fills) + len(dataset.missing_days.pipeline_ticks)
    return [
        f"{counts.kept} of {counts.intervals} intervals kept, {len(span.symbols)} symbols, {span.from_} to {span.to}",
        f"dropped: {dropped or 'none'}",
        f"read: {len(dataset.inputs)} files, {lines} lines, {lines - used} rejected; {missing} days missing",
    ]


def _data(dataset: Dataset, paths: list[Path]) -> dict[str, Any]:
    import msgspec

    parts = ("range", "filters", "params", "inputs", "missing_days", "counts")
    return {
        "paths": [str(path) for path in paths],
        **{name: msgspec.to_builtins(getattr(dataset, name)) for name in parts},
    }


def _gauges(dataset: Dataset) -> dict[str, tuple[str, dict[str, float] | float]]:
    rejected: dict[str, float] = {}
    for item in dataset.inputs:
        for reason, count in item.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + count
    missing = dataset.missing_days
    return {
        "intervals_kept": ("Intervals of the last dataset after the filters.", dataset.counts.kept),
        "intervals_dropped": ("Intervals that a filter dropped, by reason.", dict(dataset.counts.dropped)),
        "lines_used": ("Feed lines that were used.", sum(item.used for item in dataset.inputs)),
        "lines_rejected": ("Feed lines that were rejected, by reason.", rejected),
        "days_missing": ("Day files missing in the range.", len(missing.fills) + len(missing.pipeline_ticks)),
    }


def _say_plan(session: Session, plan: DatasetPlan, root: Path) -> int:
    """What ``--dry-run`` prints: files, days missing, intervals expected and paths."""
    from calib.dataset.build import stored_size

    formats = session.config["aggregate.format"]
    paths = [str(root / "datasets" / f"{plan.name}.{form}") for form in dict.fromkeys(formats)]
    symbols, span = session.config["symbols"], plan.range([])
    per = f"{len(symbols)} symbols" if symbols else "each symbol"
    missing = {kind: [day.isoformat() for day in days] for kind, days in plan.missing.items()}
    lines = [
        *(f"would read   {file.path} ({stored_size(file)} bytes)" for file in plan.files),
        *(f"missing      {kind} {day}" for kind, days in missing.items() for day in days),
        f"expected     {plan.intervals} intervals of {plan.grid.interval_sec} s for {per}, at most",
        *(f"would write  {path}" for path in paths),
        f"rejects to   {root / 'rejects'}",
    ]
    data = {
        "range": {"from": span.from_, "to": span.to, "interval_sec": span.interval_sec},
        "files": [{"path": str(file.path), "bytes": stored_size(file)} for file in plan.files],
        "missing_days": missing,
        "intervals_per_symbol": plan.intervals,
        "paths": paths,
        "rejects": str(root / "rejects"),
    }
    return session.finish({"dry_run": True, **data}, lines)
