"""``calib replay``: replay recorded feeds through a bot's cache, and measure the cost of staleness."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib.cli import options, replay_many, signals
from calib.cli.command import command
from calib.cli.output import Session
from calib.cli.replay_setup import (
    Asked,
    finish_gate,
    gate_results,
    note_unused,
    options_of,
    settings_of,
    stamp_of,
    tail_of,
    write_reports,
)
from calib.cli.report_options import Format, Open, ReportFormat, form_of
from calib.cli.times import parse_duration, parse_range
from calib.errors import UsageError
from calib.feeds.settings import ENGINE
from calib.feeds.settings import SETTINGS as FEEDS
from calib.files import locked, write_atomic
from calib.replay.options import SETTINGS
from calib.words import counted

if TYPE_CHECKING:
    from calib.replay.outcome import ReplayOutcome


_LIMITS = ("min_hit_ratio", "max_fetch_p95_ms", "max_pricing_on_stale", "max_error_p95_bps")


@command(
    "replay",
    example="calib replay --feeds feeds --fill callback --sweep md_cache.ttl_ms=20,60,100 --gate",
    settings=[
        *FEEDS.values(),
        *ENGINE.values(),
        *(SETTINGS[f"replay.{name}"] for name in ("fill", "use_case", "latency", *_LIMITS)),
    ],
    directory=True,
)
def replay(
    session: Session,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
    setting: options.Set = None,
    read_every: Annotated[
        str | None,
        typer.Option(
            "--read-every", metavar="DURATION", help="Read at this interval, e.g. 100ms, instead of at ticks."
        ),
    ] = None,
    expand_reads: Annotated[bool, typer.Option("--expand-reads", help="Add the reads between sampled ticks.")] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", metavar="KIND@S[+S][:SYM]", help="A fault, e.g. silence@600+5 or rest-error@60+5; repeat."
        ),
    ] = None,
    features_out: Annotated[
        Path | None, typer.Option("--features-out", metavar="FILE.parquet", help="Write feature snapshots on a grid.")
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 if a limit is missed.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="With --gate: exit 1 also if a limit cannot be evaluated.")
    ] = False,
    compare: Annotated[
        list[str] | None,
        typer.Option("--compare", metavar="FILE.yaml", help="A configuration to compare; give two or more."),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep", metavar="KEY=V1,V2", help="Replay with each value, e.g. md_cache.ttl_ms=20,60; repeat."
        ),
    ] = None,
    format_: Format = ReportFormat.MD,
    open_: Open = False,
    prom: options.Prom = None,
    cost: Annotated[
        str, typer.Option("--cost", metavar="error|requests", help="The measure for the cheapest point of a sweep.")
    ] = "error",
) -> int:
    """Replay recorded books, ticks and fills through the real cache, and measure the cost of staleness.

    Writes reports/replay_RANGE.md and .json below --out.
    """
    if read_every is not None:
        session.set_flags({"replay.read_every_ms": _milliseconds(read_every)})
    modes = [
        name for name, given in (("--compare", compare), ("--sweep", sweep), ("--features-out", features_out)) if given
    ]
    if len(modes) > 1:
        raise UsageError(f"{' and '.join(modes)} cannot be combined", hint="Give one of them")
    if expand_reads and read_every is not None:
        raise UsageError(
            "--expand-reads and --read-every cannot be combined",
            hint="--expand-reads adds reads to recorded ticks; --read-every does not read ticks",
        )
    if features_out is not None and features_out.suffix != ".parquet":
        raise UsageError(
            f"--features-out {features_out} is not a .parquet file", hint="Use a name that ends in .parquet"
        )
    if cost not in ("error", "requests"):
        raise UsageError(f"unknown --cost {cost}", hint="One of error, requests")
    if compare and len(compare) < 2:
        raise UsageError("--compare was given once", hint="Repeat it for each configuration, at least two")
    span = parse_range(start=start, end=end, since=since, day=day, now=time.time())
    workers = 1 if session.config["engine"] == "in-process" else session.config["jobs"] or os.cpu_count() or 1
    seen = (form_of(format_, open_), open_)
    asked = Asked(
        span.start, span.end, tuple(fault or ()), expand_reads, features_out, gate, strict, workers, *seen, prom, cost
    )
    if not sweep and not compare and session.config["engine"] == "dask":
        raise UsageError("--engine dask runs several replays", hint="Add --sweep or --compare; one replay runs here")
    with locked(Path(session.config["out"])):
        if sweep:
            return replay_many.sweep(session, asked, sweep)
        if compare:
            return replay_many.compare(session, asked, compare)
        return _one(session, asked)


def _milliseconds(read_every: str) -> Any:
    return SETTINGS["replay.read_every_ms"].check(parse_duration(read_every) * 1000, "--read-every")


def _one(session: Session, asked: Asked) -> int:
    from calib.replay.run import run_replay
    from calib.reports.replay import digest
    from calib.reports.replay_cells import gate_table
    from calib.reports.replay_page import replay_report

    note_unused(session, session.config)
    out = Path(session.config["out"])
    with session.progress("replaying", 1.0) as advance:
        outcome = run_replay(
            session.config["feeds"],
            settings_of(session.config, asked),
            **options_of(session.config, asked) | {"out": out, "progress": signals.checked(advance)},
        )
    signals.check()
    gate = gate_results(session.config, outcome.data) if asked.gate else []
    for note in outcome.data["notes"]:
        session.note(note)
    name = f"replay_{stamp_of(outcome.data)}{tail_of([session.config], asked)}"
    paths = write_reports(session, asked, name, replay_report(outcome.data, gate), outcome.encode())
    if asked.features_out is not None:
        paths.append(asked.features_out)
        _write_features(outcome, asked.features_out)
    overall = outcome.overall
    lines = [str(path) for path in paths]
    lines += [
        f"{counted(overall['reads'], 'read', thousands=True)}; symbols: {len(outcome.data['symbols'])}",
        digest(overall),
    ]
    lines += ["", *gate_table(gate).splitlines()] if gate else []
    data = dict(outcome.data) | {"files": [str(path) for path in paths]}
    if asked.gate:
        data["gate"] = [one.as_data() for one in gate]
    return finish_gate(session, asked, data, lines, gate, [outcome.data])


def _write_features(outcome: ReplayOutcome, path: Path) -> None:
    from calib.replay.grid import write_parquet

    grid = outcome.features
    assert grid is not None
    write_atomic(path, lambda handle: write_parquet(grid, handle))
