"""``calib markout``: what fills were worth after they happened."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from calib.cli import options, signals
from calib.cli.times import parse_duration, parse_range
from calib.errors import UsageError
from calib.files import locked


def markout(
    feeds: options.Feeds = None,
    out: options.Out = None,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
    symbols: options.Symbols = None,
    trades: Annotated[
        bool, typer.Option("--trades", help="Public trades instead of our fills, from the aggressor's side.")
    ] = False,
    horizon: Annotated[
        list[str] | None,
        typer.Option("--horizon", metavar="DURATION[,D]", help="Instead of 100ms to 5m, e.g. 1s,5s; repeat."),
    ] = None,
    max_mid_age_s: Annotated[
        float | None, typer.Option(metavar="S", help="How long a mid stands after it was last seen [5].")
    ] = None,
    level: Annotated[float | None, typer.Option(metavar="X", help="Level of the intervals [0.95].")] = None,
    maker_fee_bps: Annotated[
        float | None, typer.Option(metavar="BPS", help="Fee of a maker fill without fee_bps [0].")
    ] = None,
    taker_fee_bps: Annotated[
        float | None, typer.Option(metavar="BPS", help="Fee of a taker fill without fee_bps [0].")
    ] = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 where no fill has a markout at any horizon.")
    ] = False,
    config: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Measure what fills were worth after they happened, maker and taker apart, with honest intervals.

    Writes markouts/markout_RANGE.json and reports/markout_RANGE.md below --out.
    """
    flags = {
        "feeds": feeds,
        "out": out,
        "symbols": options.split_commas(symbols),
        "max_reject_ratio": max_reject_ratio,
        "fit.max_mid_age_s": max_mid_age_s,
        "fit.level": level,
        "aggregate.maker_fee_bps": maker_fee_bps,
        "aggregate.taker_fee_bps": taker_fee_bps,
    }
    if flags["symbols"] == []:
        raise UsageError("--symbols names nothing", hint="Leave it out, or give at least one symbol")
    horizons = [_horizon(text) for text in options.split_commas(horizon) or []]
    session = options.start(
        "markout", flags=flags, config=config, output=output, quiet=quiet, verbose=verbose, color=color
    )
    asked = parse_range(start=start, end=end, since=since, day=day, now=time.time())

    from calib.fitting.markouts import markouts
    from calib.reports.markout import headline, write_markout_report

    root = Path(session.config["out"])
    with locked(root):
        with session.progress("markout", None) as advance:
            result = markouts(
                session.config["feeds"],
                start=asked.start,
                end=asked.end,
                symbols=session.config["symbols"],
                **({"horizons_s": horizons} if horizons else {}),
                trades=trades,
                max_mid_age_s=session.config["fit.max_mid_age_s"],
                level=session.config["fit.level"],
                maker_fee_bps=session.config["aggregate.maker_fee_bps"],
                taker_fee_bps=session.config["aggregate.taker_fee_bps"],
                max_reject_ratio=session.config["max_reject_ratio"],
                out=root,
                note=session.note,
                progress=signals.checked(advance),
            )
        signals.check()
        path = result.write(root / "markouts")
        reports = write_markout_report(result.document, result.name, root)
    known = any(row["est"] is not None for row in result.rows)
    nothing = "no fill has a markout: no mid at any horizon"
    if not known:
        session.note(nothing)
    data = {"paths": [str(path)], "reports": [str(one) for one in reports], **result.document}
    lines = [str(path), str(reports[0]), *(f"  {line}" for line in headline(result.document))]
    failed = strict and not known
    return session.finish(data, lines, exit_code=int(failed), verdict=nothing if failed else "")


def _horizon(text: str) -> float:
    seconds = parse_duration(text)
    if not 0 < seconds <= 86_400:
        raise UsageError(f"--horizon {text!r} is not allowed", hint="Above 0, at most 1d")
    return seconds
