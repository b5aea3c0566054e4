"""``calib fit``: fill rate over distance, quotes and queue times; and publication for a bot."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from calib.cli import options, signals
from calib.cli.command import command
from calib.cli.output import Session
from calib.cli.report_options import Format, Open, ReportFormat, form_of, open_report
from calib.cli.times import parse_duration, parse_range
from calib.config import settings_of
from calib.errors import UsageError
from calib.feeds.settings import SETTINGS as FEEDS
from calib.files import locked
from calib.fitting.settings import FitSettings

if TYPE_CHECKING:
    from calib.fitting.fit import FitResult
    from calib.fitting.publish import Publication

_ROWS_SHOWN: Final = 12
_SETTINGS: Final = ("min_delta_bps", "max_mid_age_s", "level", "clock_shift_s")


@command(
    "fit",
    example="calib fit --since 7d --gamma 0.1 --publish artifacts/edge/calibration.json",
    settings=[
        *(FEEDS[key] for key in ("feeds", "out", "symbols", "max_reject_ratio")),
        *settings_of(FitSettings, "fit").values(),
    ],
    directory=True,
)
def fit(
    session: Session,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
    publish: Annotated[
        Path | None,
        typer.Option("--publish", metavar="PATH", help="Also publish the fit for a bot, within the guard rails."),
    ] = None,
    max_age: Annotated[
        str | None, typer.Option("--max-age", metavar="DURATION", help="Validity of a published fit [2d].")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 also if there is not enough data.")] = False,
    format_: Format = ReportFormat.MD,
    open_: Open = False,
) -> int:
    """Fit the fill rate over distance, and derive half-spread, skew and queue times.

    Writes fits/fit_RANGE.json and reports/fit_RANGE.md below --out. Exit 1 if a fit must not be used.
    """
    gammas = [_gamma(text) for text in session.config["fit.gamma"]]
    rails = _rails(session, max_age)
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
                **{name: session.config[f"fit.{name}"] for name in _SETTINGS},
                in_use=publish if publish is not None and publish.exists() else None,
                max_reject_ratio=session.config["max_reject_ratio"],
                out=root,
                note=session.note,
                progress=signals.checked(advance),
            )
        signals.check()
        path = result.write(root / "fits")
        reports = write_fit_report(result.document, result.name, root, form_of(format_, open_).value)
        published = None if publish is None else _publish(session, result, path, publish, rails)
    if open_:
        open_report(session, reports)
    written = [one for one in reports if one.suffix != ".svg"]
    return _finish(session, result, [path, *written], published, strict=strict)


def _rails(session: Session, max_age: str | None) -> Any:
    from calib.fitting.guard_rails import GuardRails

    values = session.config.section("publish")
    age_s = values["max_age_s"] if max_age is None else parse_duration(max_age)
    if age_s < 60:
        raise UsageError(f"--max-age {max_age!r} is not allowed", hint="At least 1m")
    return GuardRails(
        max_age_s=age_s,
        max_move_per_day=values["max_move_ratio"],
        min_half_bps=values["min_half_bps"],
        max_half_bps=values["max_half_bps"],
        max_half_width=values["max_half_width_ratio"],
    )


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


def _publish(session: Session, result: FitResult, fit_path: Path, target: Path, rails: Any) -> Publication:
    from calib.fitting.publish import publish

    done = publish(result, fit_path, target, rails)
    if not done.changed:
        why = "it already contains this fit" if done.new else "no row may change"
        session.note(f"{target} was not changed: {why}")
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
        session.note(f"{result.count('NOT_ENOUGH_DATA')} of {len(rows)} rows do not have enough data for a verdict")
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
