"""``calib canary``: the cache comes to the symbols step by step; made for cron."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calib.cli import options, success
from calib.cli.output import Session
from calib.cli.times import parse_range, parse_time
from calib.errors import UsageError
from calib.words import counted

if TYPE_CHECKING:
    from calib.experiments.canary.check import Check
    from calib.experiments.canary.settings import CanarySettings
    from calib.metrics.text_file import JobResult

app = typer.Typer(no_args_is_help=False, add_completion=False, rich_markup_mode=None)

StateDir = Annotated[
    str | None, typer.Option("--state", metavar="DIR", help="Directory of the canary's state [OUT/canary].")
]
Now = Annotated[str | None, typer.Option("--now", metavar="TIME", help="Judge as of this time, UTC [now].")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the audit.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 also where there is no verdict.")]


@app.callback(invoke_without_command=True)
def canary(context: typer.Context) -> int:
    """Bring the market-data cache to all symbols step by step, and take it back where it hurts."""
    if context.invoked_subcommand is None:
        raise UsageError("calib canary needs a command", hint="check, advance, status, rollback, reset or accept")
    return 0


@app.command("check", epilog="Example: calib canary check --feeds artifacts/edge/feeds --advance --quiet")
def check(
    feeds: options.Feeds = None,
    out: options.Out = None,
    state: StateDir = None,
    symbols: options.Symbols = None,
    now: Now = None,
    advance: Annotated[bool, typer.Option("--advance", help="Take the next step where this one is done.")] = False,
    strict: Strict = False,
    max_reject_ratio: options.MaxRejectRatio = None,
    prom: options.Prom = None,
    config: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Judge the canary from the feeds; a violated gate rolls back. Exit 1 where it is violated or rolled back."""
    session = _session("check", feeds, out, symbols, max_reject_ratio, config, output, quiet, color)
    found = _check(session, state, now, advance=advance)
    if found.advanced:
        session.note(f"advanced to {found.phase}")
    return _finish(session, found, strict=strict, prom=prom)


@app.command("advance", epilog="Example: calib canary advance")
def advance(
    feeds: options.Feeds = None,
    out: options.Out = None,
    state: StateDir = None,
    symbols: options.Symbols = None,
    now: Now = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    prom: options.Prom = None,
    config: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Take the next step of the schedule. Exit 1 where the present one is not served and fine."""
    session = _session("advance", feeds, out, symbols, max_reject_ratio, config, output, quiet, color)
    found = _check(session, state, now, advance=True)
    if found.advanced:
        return _finish(session, found, prom=prom)
    if found.ready:
        raise UsageError("every symbol uses the cache already", hint="There is no further step")
    return _finish(session, found, refused="may not advance: ")


@app.command("status", epilog="Example: calib canary status --output json")
def status(
    out: options.Out = None,
    state: StateDir = None,
    config: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Say where the canary stands, without judging. Exit 1 where it is rolled back."""
    session = _session("status", None, out, None, None, config, output, quiet, color)
    from calib.evaluation.canary import existing_canary
    from calib.reports.canary import status_lines

    data = existing_canary(_directory(session, state), _settings(session)).status()
    rollback = data["rollback"]
    verdict = f"rolled back: {rollback.get('why', '')}" if rollback else ""
    return session.finish(data, status_lines(data), exit_code=1 if rollback else 0, verdict=verdict)


@app.command("rollback", epilog="Example: calib canary rollback --reason 'venue maintenance'")
def rollback(
    reason: Reason,
    out: options.Out = None,
    state: StateDir = None,
    config: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Take the cache back from every symbol, now and until a reset."""
    session = _session("rollback", None, out, None, None, config, output, quiet, color)
    _must_say(reason)
    from calib.evaluation.canary import roll_back_canary
    from calib.reports.canary import report_writer

    writer = report_writer(session.config["out"])
    found = roll_back_canary(
        _directory(session, state), reason.strip(), _settings(session), report_writer=writer, note=session.note
    )
    return session.finish({"rollback": found}, [f"ROLLED_BACK: {found.get('why', '')}; no symbol uses the cache"])


@app.command("reset", epilog="Example: calib canary reset --reason 'cache fixed in 1.8.2'")
def reset(
    reason: Reason,
    out: options.Out = None,
    state: StateDir = None,
    config: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Clear a rollback; the canary begins again in shadow."""
    session = _session("reset", None, out, None, None, config, output, quiet, color)
    _must_say(reason)
    from calib.evaluation.canary import reset_canary

    cleared = reset_canary(_directory(session, state), reason.strip())
    if cleared is None:
        session.note("nothing is rolled back there; nothing changed")
        return session.finish({"cleared": None}, ["not rolled back"])
    return session.finish(
        {"cleared": cleared}, [f"cleared: {cleared.get('why', '')}; the canary begins again in shadow"]
    )


@app.command("accept", epilog="Example: calib canary accept --name before-cache --day yesterday")
def accept(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What the baseline is called.")],
    feeds: options.Feeds = None,
    out: options.Out = None,
    state: StateDir = None,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
    symbols: options.Symbols = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    config: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Measure fetch_md over a range without the cache, and make that the baseline; nothing else ever changes it."""
    session = _session("accept", feeds, out, symbols, max_reject_ratio, config, output, quiet, color)
    if not name.strip():
        raise UsageError("--name is empty", hint="Say what the baseline is, as in before-cache")
    now = time.time()
    asked = parse_range(start=start, end=end, since=since, day=day, now=now)

    from calib.evaluation.canary import accept_baseline
    from calib.experiments.canary.baseline import BASELINE_NAME

    directory = _directory(session, state)
    baseline = accept_baseline(
        session.config["feeds"],
        directory,
        name.strip(),
        start=asked.start,
        end=asked.end,
        symbols=session.config["symbols"],
        min_ticks=session.config["canary.min_ticks"],
        max_reject_ratio=session.config["max_reject_ratio"],
    )
    path = directory / BASELINE_NAME
    data = {"path": str(path), "name": baseline.name, "version": baseline.version, "ticks": baseline.ticks}
    data |= {"fetch_md_p95_ms": baseline.fetch_md_p95_ms, "symbols": baseline.symbols}
    figure = f"fetch_md p95 {baseline.fetch_md_p95_ms:.4g} ms over {counted(baseline.ticks, 'tick', thousands=True)}"
    symbols_line = f"{counted(len(baseline.symbols), 'symbol')} with a p95 of their own"
    return session.finish(
        data, [str(path), f"  baseline {baseline.name!r} version {baseline.version}: {figure}", f"  {symbols_line}"]
    )


def _session(
    name: str,
    feeds: str | None,
    out: str | None,
    symbols: list[str] | None,
    max_reject_ratio: float | None,
    config: str | None,
    output: options.OutputForm,
    quiet: bool,
    color: options.ColorMode,
) -> Session:
    chosen = options.split_commas(symbols)
    if chosen == []:
        raise UsageError("--symbols names nothing", hint="Leave it out, or say what you mean")
    flags = {"feeds": feeds, "out": out, "symbols": chosen, "max_reject_ratio": max_reject_ratio}
    return options.start(f"canary {name}", flags=flags, config=config, output=output, quiet=quiet, color=color)


def _must_say(reason: str) -> None:
    if not reason.strip():
        raise UsageError("--reason is empty", hint="Say why; it is kept in the audit")


def _directory(session: Session, state: str | None) -> Path:
    return Path(state) if state else Path(session.config["out"]) / "canary"


def _settings(session: Session) -> CanarySettings:
    from calib.experiments.canary.settings import CanarySettings

    return CanarySettings.from_section(session.config.section("canary"))


def _check(session: Session, state: str | None, now: str | None, *, advance: bool) -> Check:
    from calib.evaluation.canary import check_canary
    from calib.reports.canary import report_writer

    return check_canary(
        session.config["feeds"],
        _directory(session, state),
        _settings(session),
        now=None if now is None else parse_time(now, time.time()),
        symbols=session.config["symbols"],
        advance=advance,
        max_reject_ratio=session.config["max_reject_ratio"],
        report_writer=report_writer(session.config["out"]),
    )


def _finish(
    session: Session, found: Check, *, strict: bool = False, refused: str = "", prom: Path | None = None
) -> int:
    from calib.reports.canary import check_lines

    bad = found.state in ("VIOLATING", "ROLLED_BACK")
    unknown = found.state in ("NODATA", "INCONCLUSIVE")
    if unknown and not refused:
        session.note(f"no verdict: {found.why}")
    failed = bad or bool(refused) or (unknown and strict)
    if not failed:
        success.write_prom(prom, session, _result(found))
    verdict = f"{refused}{found.state}: {found.phase}: {found.why}" if failed else ""
    return session.finish(found.to_json(), check_lines(found), exit_code=int(failed), verdict=verdict)


def _result(found: Check) -> JobResult:
    """What the text file of ``--prom`` says."""
    from calib.metrics.text_file import JobResult, share

    served = share(found.covered_s, found.needed_s)
    return JobResult(found.measures.ticks, coverage_ratio=None if served is None else min(1.0, served))
