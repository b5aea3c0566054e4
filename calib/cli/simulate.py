"""``calib simulate``: seeded feeds from a model of a market and a bot."""

from __future__ import annotations

import enum
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib.cli import options
from calib.cli.command import command
from calib.cli.output import Session
from calib.cli.simulate_live import refuse_unused, serve_live
from calib.cli.times import DAY_S, parse_range, parse_time
from calib.errors import BadRange, UsageError
from calib.words import counted

if TYPE_CHECKING:
    from calib.simulation.plan import SimulationPlan

DEFAULT_START = "2025-01-01"


class CacheChoice(enum.StrEnum):
    """How the simulated bot reads its market data."""

    OFF = "off"
    SHADOW = "shadow"
    ON = "on"


class FillChoice(enum.StrEnum):
    """How the cache of the simulated bot is filled."""

    STREAM = "stream"
    CALLBACK = "callback"


LONGEST_S = 3_660 * DAY_S


@command("simulate", example="calib simulate --out feeds --symbols 5 --hours 2 --seed 7")
def simulate(
    session: Session,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Directory to write the feeds to [artifacts/edge/feeds].")
    ] = None,
    symbols: Annotated[
        list[str] | None,
        typer.Option(
            "--symbols", metavar="N|SYM[,SYM]", help="Number of symbols, or their names; repeat or use commas [12]."
        ),
    ] = None,
    start: Annotated[
        str, typer.Option("--from", "--from-ts", metavar="TIME", help="Start of the range, UTC.")
    ] = DEFAULT_START,
    end: options.To = None,
    hours: Annotated[float | None, typer.Option("--hours", metavar="H", help="Length of the range [1].")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", metavar="M", help="Length of the range.")] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Equal seeds yield equal feeds.")] = 1,
    sample_rate: Annotated[int, typer.Option("--sample-rate", metavar="N", help="Log one tick in N.")] = 10,
    incidents: Annotated[
        bool | None,
        typer.Option("--incidents/--no-incidents", help="Outages, silences, bad deploys [on; with --compare off]."),
    ] = None,
    hostile: Annotated[bool, typer.Option("--hostile", help="Add a few invalid lines to each feed.")] = False,
    days: Annotated[int, typer.Option("--days", metavar="N", help="Simulate the same times on N days in a row.")] = 1,
    quotes: Annotated[bool, typer.Option("--quotes", help="Also write the quotes feed (large).")] = False,
    quotes_recorded: Annotated[
        bool, typer.Option("--quotes-recorded", help="Write the quotes of recorded symbols while they are recorded.")
    ] = False,
    compress: Annotated[
        list[str] | None,
        typer.Option("--compress", metavar="DAY|all[:gz|zst]", help="Compress that day's files; repeat or use commas."),
    ] = None,
    cache: Annotated[CacheChoice, typer.Option("--cache", help="The bot's market-data cache.")] = CacheChoice.ON,
    fill: Annotated[FillChoice, typer.Option("--fill", help="How the cache is filled.")] = FillChoice.STREAM,
    latency: Annotated[
        str | None,
        typer.Option(
            "--latency", metavar="MS[,SIGMA]", help="Latency of the venue: median ms, sigma of its log [36,0.25]."
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="KIND@S[+S][:SYM]", help="A fault in every hour, e.g. silence@600+5; repeat."),
    ] = None,
    setting: options.Set = None,
    record: Annotated[
        list[str] | None,
        typer.Option(
            "--record", metavar="SYM[,SYM]", help="Record the book and trades of these symbols from the start."
        ),
    ] = None,
    record_minutes: Annotated[
        float, typer.Option("--record-minutes", metavar="M", help="Duration of the recording, up to 60.")
    ] = 10.0,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare runs with the cache off and on; write nothing.")
    ] = False,
    gate: Annotated[bool, typer.Option("--gate", help="With --compare: exit 1 if the cache misses a limit.")] = False,
    serve_metrics: Annotated[
        int | None,
        typer.Option(
            "--serve-metrics",
            metavar="PORT",
            help="Run in real time and serve the bot's metrics; writes feeds only with --out.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace feeds that no simulation wrote.")] = False,
) -> int:
    """Write feeds of a simulated market and bot, with the loggers that a live bot uses."""
    from calib.market import MDCacheConfig
    from calib.simulation.closed_loop.settings import ClosedLoopSettings
    from calib.simulation.output import simulate as run
    from calib.simulation.plan import SimulationPlan

    session.set_flags({"feeds": out})
    options.refuse_urls([session.config["feeds"]], "simulate")
    if gate and not compare:
        raise UsageError("--gate requires --compare", hint="Add --compare")
    if serve_metrics is not None:
        refuse_unused(
            {
                "--from": start != DEFAULT_START,
                "--to": end is not None,
                "--compare": compare,
                "--hostile": hostile,
                "--compress": compress is not None,
            }
        )
    begin, stop = _range(start, end, hours, minutes)
    plan = SimulationPlan(
        symbols=tuple(_names(symbols)),
        start_s=begin,
        end_s=stop,
        seed=seed,
        sample_rate=sample_rate,
        incidents=not compare if incidents is None else incidents,
        hostile=hostile,
        quotes=quotes,
        quotes_recorded=quotes_recorded,
        days_repeated=days,
        compress=_forms(compress),
        box=ClosedLoopSettings(
            cache=cache.value,
            fill=fill.value,
            md_cache=MDCacheConfig.from_config(session.config),
            record=tuple(options.split_commas(record) or ()),
            record_s=record_minutes * 60,
            **_venue(latency, fault),
        ),
    )
    if serve_metrics is not None:
        return serve_live(session, plan, serve_metrics, None if out is None else Path(out))
    if compare:
        return _compare(session, plan, gate=gate)
    with session.progress("simulating", len(plan.symbols) * len(plan.hours())) as advance:
        done = run(plan, Path(session.config["feeds"]), force=force, progress=advance)
    for name in done.removed:
        session.note(f"{name} of an earlier simulation was removed")
    if not done.files:
        session.note("the feeds are empty because an outage covers the range; try another range, or --no-incidents")
    data: dict[str, Any] = {
        "directory": str(done.directory),
        "plan": plan.described(),
        "files": [asdict(file) for file in done.files],
        "changed": list(done.changed),
        "removed": list(done.removed),
    }
    described = plan.described()
    many = counted(len(plan.symbols), "symbol")
    what = f"{many}, {described['from']} to {described['to']}, seed {seed}"
    counts = ", ".join(f"{counted(done.lines(kind), f'{kind} line', thousands=True)}" for kind in plan.kinds())
    state = f"{len(done.changed)} of {counted(len(done.files), 'file')} changed" if done.changed else "nothing changed"
    paths = [str(done.directory / file.file) for file in done.files]
    return session.finish(data, [*paths, what, counts, state])


def _venue(latency: str | None, faults: list[str] | None) -> dict[str, Any]:
    """Return the settings of the venue that were given."""
    from calib.exchange_sim.faults import Fault
    from calib.simulation.latency import LogNormal

    chosen: dict[str, Any] = {"faults": tuple(Fault.parse(text) for text in faults or ())}
    if latency is not None:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?", latency.strip())
        if match is None or not 0 < float(match[1]) <= 2_000 or float(match[2] or 0) > 3:
            raise UsageError(
                f"--latency {latency!r} is not a valid latency",
                hint="A median of more than 0 and up to 2000 ms, and a sigma from 0 to 3, e.g. 36,0.25",
            )
        chosen["venue_latency"] = LogNormal(round(float(match[1]) * 1000), float(match[2] or 0.0))
    return chosen


def _compare(session: Session, plan: SimulationPlan, *, gate: bool) -> int:
    """Print the figures before and after as a table, and the verdict of the gate."""
    from calib.simulation.closed_loop.compare import compare

    with session.progress("simulating", 2 * len(plan.symbols) * len(plan.hours())) as advance:
        done = compare(plan, advance)
    before, after = asdict(done.before), asdict(done.after)
    lines = [f"{'figure':<24}{'cache off':>12}{'cache ' + plan.box.cache:>14}"]
    lines += [f"{name:<24}{_shown(before[name]):>12}{_shown(after[name]):>14}" for name in before]
    lines += ["", f"{'gate':<24}{'limit':>12}{'value':>14}"]
    lines += [
        f"{rule.limit.name:<24}{f'{rule.limit.sign} {rule.limit.limit:g}':>12}{_shown(rule.value):>14}"
        f"  {'pass' if rule.passed else 'FAIL'}"
        for rule in done.gate
    ]
    data = {
        "plan": plan.described(),
        "before": before,
        "after": after,
        "gate": [rule.as_data() for rule in done.gate],
        "passed": done.passed,
    }
    if gate and not done.passed:
        failed = ", ".join(rule.limit.name for rule in done.gate if not rule.passed)
        return session.finish(data, lines, exit_code=1, verdict=f"the cache fails the gate: {failed}")
    return session.finish(data, lines)


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def _range(start: str, end: str | None, hours: float | None, minutes: float | None) -> tuple[float, float]:
    from calib.clock import SystemClock

    now = SystemClock().time()
    given = {"--to": end, "--hours": hours, "--minutes": minutes}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise BadRange(f"{' and '.join(named)} cannot be combined", hint="Give one of them")
    if end is not None:
        asked = parse_range(start=start, end=end, now=now)
        return asked.start or 0.0, asked.end or 0.0
    begin = parse_time(start, now)
    length_s = minutes * 60 if minutes is not None else (1.0 if hours is None else hours) * 3600
    if not 0 < length_s <= LONGEST_S:
        raise BadRange(
            f"{named[0]} {hours if minutes is None else minutes:g} is not a valid length",
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
            raise UsageError(f"--symbols {count} is out of range", hint=f"1 to {MAX_SYMBOLS}, or their names")
        return first_names(count)
    return given


def _forms(compress: list[str] | None) -> dict[str, str]:
    """Parse ``["2025-01-02", "20250103:zst"]`` to the form by day; the plan checks the days."""
    forms: dict[str, str] = {}
    for part in options.split_commas(compress) or []:
        day, _, form = part.partition(":")
        stamp = day.replace("-", "")
        if day != "all" and not re.fullmatch(r"\d{8}", stamp):
            raise UsageError(f"--compress {part!r} is not a day", hint="Examples: 2025-01-02, 20250102:zst, all")
        forms[day if day == "all" else stamp] = form or "gz"
    return forms
