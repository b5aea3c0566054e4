"""``calib simulate``: seeded feeds from a market-and-bot model."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from calib.cli import options
from calib.cli.times import DAY_S, parse_range, parse_time
from calib.errors import BadRange, UsageError

DEFAULT_START = "2025-01-01"
LONGEST_S = 3_660 * DAY_S


def simulate(
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="The feed directory to write [artifacts/edge/feeds].")
    ] = None,
    symbols: Annotated[
        list[str] | None,
        typer.Option("--symbols", metavar="N|SYM[,SYM]", help="How many, or which; repeat or use commas [12]."),
    ] = None,
    start: Annotated[
        str, typer.Option("--from", "--from-ts", metavar="TIME", help="Start of the range, UTC.")
    ] = DEFAULT_START,
    end: options.To = None,
    hours: Annotated[float | None, typer.Option("--hours", metavar="H", help="Length of the range [1].")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", metavar="M", help="Length of the range.")] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Equal seeds give equal feeds.")] = 1,
    sample_rate: Annotated[int, typer.Option("--sample-rate", metavar="N", help="Log one tick in N.")] = 10,
    incidents: Annotated[bool, typer.Option(help="Outages, silences of the stream, bad deploys.")] = True,
    hostile: Annotated[bool, typer.Option("--hostile", help="Add a few hostile lines to each feed.")] = False,
    quotes: Annotated[bool, typer.Option("--quotes", help="Write the quotes feed too (large).")] = False,
    compress: Annotated[
        list[str] | None,
        typer.Option("--compress", metavar="DAY|all[:gz|zst]", help="Compress that day's files; repeat or use commas."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace feeds that no simulation wrote.")] = False,
    config_file: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Write feeds of a simulated market and bot, through the loggers that a live bot uses."""
    from calib.simulation.output import simulate as run
    from calib.simulation.plan import Plan

    session = options.start(
        "simulate", flags={"feeds": out}, config=config_file, output=output, quiet=quiet, color=color
    )
    begin, stop = _range(start, end, hours, minutes)
    plan = Plan(
        symbols=tuple(_names(symbols)),
        start_s=begin,
        end_s=stop,
        seed=seed,
        sample_rate=sample_rate,
        incidents=incidents,
        hostile=hostile,
        quotes=quotes,
        compress=_forms(compress),
    )
    with session.progress("simulating", len(plan.symbols) * len(plan.hours())) as advance:
        done = run(plan, Path(session.config["feeds"]), force=force, progress=advance)
    for name in done.removed:
        session.note(f"{name} of an earlier simulation was removed")
    if not done.files:
        session.note("nothing happened in that range: an outage covers it; try another range, or --no-incidents")
    data: dict[str, Any] = {
        "directory": str(done.directory),
        "plan": plan.described(),
        "files": [asdict(file) for file in done.files],
        "changed": list(done.changed),
        "removed": list(done.removed),
    }
    described = plan.described()
    many = f"{len(plan.symbols)} symbol{'s' if len(plan.symbols) > 1 else ''}"
    what = f"{many}, {described['from']} to {described['to']}, seed {seed}"
    counts = ", ".join(f"{done.lines(kind):,} {kind} lines" for kind in plan.kinds())
    state = f"{len(done.changed)} of {len(done.files)} files changed" if done.changed else "nothing changed"
    paths = [str(done.directory / file.file) for file in done.files]
    return session.finish(data, [*paths, what, counts, state])


def _range(start: str, end: str | None, hours: float | None, minutes: float | None) -> tuple[float, float]:
    from calib.clock import SystemClock

    now = SystemClock().time()
    given = {"--to": end, "--hours": hours, "--minutes": minutes}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise BadRange(f"{' and '.join(named)} say different things", hint="Give one of them")
    if end is not None:
        asked = parse_range(start=start, end=end, now=now)
        return asked.start or 0.0, asked.end or 0.0
    begin = parse_time(start, now)
    length_s = minutes * 60 if minutes is not None else (1.0 if hours is None else hours) * 3600
    if not 0 < length_s <= LONGEST_S:
        raise BadRange(
            f"{named[0]} {hours if minutes is None else minutes:g} is no length",
            hint=f"Above 0, at most {LONGEST_S // DAY_S} days",
        )
    return begin, begin + length_s


def _names(symbols: list[str] | None) -> list[str]:
    from calib.simulation.instruments import INSTRUMENTS, first_names
    from calib.simulation.plan import MAX_SYMBOLS

    given = options.split_commas(symbols)
    if given is None:
        return list(INSTRUMENTS)
    if len(given) == 1 and re.fullmatch(r"[+-]?\d{1,9}", given[0]):
        count = int(given[0])
        if not 1 <= count <= MAX_SYMBOLS:
            raise UsageError(f"--symbols {count}: not so many", hint=f"1 to {MAX_SYMBOLS}, or their names")
        return first_names(count)
    return given


def _forms(compress: list[str] | None) -> dict[str, str]:
    """``["2025-01-02", "20250103:zst"]`` as form by day; which days there are is the plan's to judge."""
    forms: dict[str, str] = {}
    for part in options.split_commas(compress) or []:
        day, _, form = part.partition(":")
        stamp = day.replace("-", "")
        if day != "all" and not re.fullmatch(r"\d{8}", stamp):
            raise UsageError(f"--compress {part!r} names no day", hint="Examples: 2025-01-02, 20250102:zst, all")
        forms[day if day == "all" else stamp] = form or "gz"
    return forms
