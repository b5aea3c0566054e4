"""``calib fit``: fill rate over distance, quotes and queue times; and what a bot loads of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib.cli import options, signals
from calib.cli.output import Session
from calib.cli.times import parse_duration, parse_range
from calib.errors import UsageError
from calib.files import locked

if TYPE_CHECKING:
    from calib.fitting.fit import FitResult
    from calib.fitting.publish import Publication

_ROWS_SHOWN = 12


def fit(
    feeds: options.Feeds = None,
    out: options.Out = None,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
    symbols: options.Symbols = None,
    gamma: Annotated[
        list[str] | None,
        typer.Option("--gamma", metavar="G[,G]", help="Risk aversion to give quotes for, 1/bps a unit; repeat."),
    ] = None,
    publish: Annotated[
        Path | None,
        typer.Option("--publish", metavar="PATH", help="Also publish for a bot; see max-age and guard rails."),
    ] = None,
    max_age: Annotated[
        str | None, typer.Option("--max-age", metavar="DURATION", help="How long a published fit is valid [2d].")
    ] = None,
    min_delta_bps: Annotated[
        float | None, typer.Option(metavar="BPS", help="Distance up to which a quote counts as run over [0].")
    ] = None,
    max_mid_age_s: Annotated[
        float | None, typer.Option(metavar="S", help="How long a mid stands after it was last seen [5].")
    ] = None,
    level: Annotated[float | None, typer.Option(metavar="X", help="Level of the intervals [0.95].")] = None,
    clock_shift_s: Annotated[
        float | None, typer.Option(metavar="S", help="How far the bot's clock is ahead of the book's [measured].")
    ] = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 also where there is not enough data.")] = False,
    config: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Fit how the fill rate falls with distance, what half-spread and skew follow, and how long a quote waits.

    Writes fits/fit_RANGE.json and reports/fit_RANGE.md below --out. Exit 1 where a fit must not be used.
    """
    flags = {
        "feeds": feeds,
        "out": out,
        "symbols": options.split_commas(symbols),
        "max_reject_ratio": max_reject_ratio,
        "fit.gamma": options.split_commas(gamma),
        "fit.min_delta_bps": min_delta_bps,
        "fit.max_mid_age_s": max_mid_age_s,
        "fit.level": level,
        "fit.clock_shift_s": clock_shift_s,
        "publish.max_age_s": None if max_age is None else parse_duration(max_age),
    }
    for name, value in (("--symbols", flags["symbols"]), ("--gamma", flags["fit.gamma"])):
        if value == []:
            raise UsageError(f"{name} names nothing", hint=f"Leave {name} out, or give at least one")
    session = options.start("fit", flags=flags, config=config, output=output, quiet=quiet, verbose=verbose, color=color)
    gammas = [_gamma(text) for text in session.config["fit.gamma"]]
    asked = parse_range(start=start, end=end, since=since, day=day, now=time.time())

    from calib.fitting.fit import fit as run
    from calib.reports.fit import write_fit_report

    root = Path(session.config["out"])
    with locked(root):
        with session.progress("fit", None) as advance:
            result = run(
                session.config["feeds"],
                start=asked.start,
                end=asked.end,
                symbols=session.config["symbols"],
                gamma=gammas,
                min_delta_bps=session.config["fit.min_delta_bps"],
                max_mid_age_s=session.config["fit.max_mid_age_s"],
                level=session.config["fit.level"],
                clock_shift_s=session.config["fit.clock_shift_s"],
                in_use=publish if publish is not None and publish.exists() else None,
                max_reject_ratio=session.config["max_reject_ratio"],
                out=root,
                note=session.note,
                progress=signals.checked(advance),
            )
        signals.check()
        path = result.write(root / "fits")
        reports = write_fit_report(result.document, result.name, root)
        published = None if publish is None else _publish(session, result, path, publish)
    return _finish(session, result, [path, *reports[:1]], published, strict=strict)


def _gamma(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 1e-9 <= value <= 1e3:
        raise UsageError(
            f"--gamma {text!r} is not allowed", hint="A number from 1e-9 to 1000, 1/bps a unit of inventory"
        )
    return value


def _publish(session: Session, result: FitResult, fit_path: Path, target: Path) -> Publication:
    from calib.fitting.publish import GuardRails, publish

    values = session.config.section("publish")
    rails = GuardRails(
        max_age_s=values["max_age_s"],
        max_move_per_day=values["max_move_ratio"],
        min_half_bps=values["min_half_bps"],
        max_half_bps=values["max_half_bps"],
        max_half_width=values["max_half_width_ratio"],
    )
    done = publish(result, fit_path, target, rails)
    if not done.changed:
        why = "it holds this fit already" if done.new else "no row may change, so the file stays as it was"
        session.note(f"{target} was left alone: {why}")
    elif done.held:
        session.note(f"{done.held} of {done.held + done.new} rows are held: see `held` in {target}")
    return done


def _finish(
    session: Session, result: FitResult, paths: list[Path], published: Publication | None, *, strict: bool
) -> int:
    from calib.reports.fit import headline, row_line

    rows = result.rows
    code = result.exit_code(strict=strict)
    if code == 0 and result.count("NOT_ENOUGH_DATA"):
        session.note(f"{result.count('NOT_ENOUGH_DATA')} of {len(rows)} rows have not enough data for a verdict")
    lines = [*map(str, paths), *([str(published.path)] if published is not None else [])]
    lines.append(f"  {headline(result.document)}")
    lines += [f"  {row_line(row)}" for row in rows[:_ROWS_SHOWN]]
    if len(rows) > _ROWS_SHOWN:
        lines.append(f"  and {len(rows) - _ROWS_SHOWN} more rows: see the report")
    data: dict[str, Any] = {"paths": [str(path) for path in paths], **result.document}
    if published is not None:
        data["published"] = {
            "path": str(published.path),
            "changed": published.changed,
            "new": published.new,
            "held": published.held,
        }
    verdict = f"not every fit may be used: {headline(result.document)}" if code else ""
    return session.finish(data, lines, exit_code=code, verdict=verdict)
