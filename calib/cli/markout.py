"""``calib markout``: the value of fills after execution."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from calib.cli import options, signals
from calib.cli.command import command
from calib.cli.output import Session
from calib.cli.report_options import Format, Open, ReportFormat, form_of, open_report
from calib.cli.times import parse_duration, parse_range
from calib.dataset.settings import SETTINGS as DATASET
from calib.errors import UsageError
from calib.feeds.settings import SETTINGS as FEEDS
from calib.files import locked
from calib.fitting.settings import SETTINGS as FITTING


@command(
    "markout",
    example="calib markout --day yesterday --symbols BTCUSDT",
    settings=[
        *(FEEDS[key] for key in ("feeds", "out", "symbols", "max_reject_ratio")),
        *(FITTING[key] for key in ("fit.max_mid_age_s", "fit.level")),
        *(DATASET[key] for key in ("aggregate.maker_fee_bps", "aggregate.taker_fee_bps")),
    ],
    directory=True,
)
def markout(
    session: Session,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
    trades: Annotated[
        bool, typer.Option("--trades", help="Use public trades instead of our fills, from the aggressor's side.")
    ] = False,
    horizon: Annotated[
        list[str] | None,
        typer.Option("--horizon", metavar="DURATION[,D]", help="Horizons instead of 100ms to 5m, e.g. 1s,5s; repeat."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if no fill has a markout at any horizon.")] = False,
    format_: Format = ReportFormat.MD,
    open_: Open = False,
) -> int:
    """Measure the value of fills after execution, for maker and taker fills separately, with confidence intervals.

    Writes markouts/markout_RANGE.json and reports/markout_RANGE.md below --out.
    """
    horizons = [_horizon(text) for text in options.split_commas(horizon) or []]
    asked = parse_range(start=start, end=end, since=since, day=day, now=time.time())

    from calib.fitting.markouts import markouts
    from calib.reports.markout import headline, write_markout_report

    config = session.config
    root = Path(config["out"])
    with locked(root):
        with session.progress("markout", None) as advance:
            result = markouts(
                config["feeds"],
                start=asked.start,
                end=asked.end,
                symbols=config["symbols"],
                **({"horizons_s": horizons} if horizons else {}),
                trades=trades,
                max_mid_age_s=config["fit.max_mid_age_s"],
                level=config["fit.level"],
                maker_fee_bps=config["aggregate.maker_fee_bps"],
                taker_fee_bps=config["aggregate.taker_fee_bps"],
                max_reject_ratio=config["max_reject_ratio"],
                out=root,
                note=session.note,
                progress=signals.checked(advance),
            )
        signals.check()
        path = result.write(root / "markouts")
        reports = write_markout_report(result.document, result.name, root, form_of(format_, open_).value)
    if open_:
        open_report(session, reports)
    known = any(row["est"] is not None for row in result.rows)
    nothing = "no fill has a markout: no mid at any horizon"
    if not known:
        session.note(nothing)
    data = {"paths": [str(path)], "reports": [str(one) for one in reports], **result.document}
    written = [str(one) for one in reports if one.suffix != ".svg"]
    lines = [str(path), *written, *(f"  {line}" for line in headline(result.document))]
    failed = strict and not known
    return session.finish(data, lines, exit_code=int(failed), verdict=nothing if failed else "")


def _horizon(text: str) -> float:
    seconds = parse_duration(text)
    if not 0 < seconds <= 86_400:
        raise UsageError(f"--horizon {text!r} is not allowed", hint="Above 0, at most 1d")
    return seconds
