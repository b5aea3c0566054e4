"""``calib canary``: enable the cache for the symbols step by step; suitable for cron."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calib.cli import options, success
from calib.cli.command import add, command, group
from calib.cli.output import Session
from calib.cli.times import parse_range, parse_time
from calib.errors import UsageError
from calib.feeds.settings import SETTINGS as FEEDS
from calib.words import counted

if TYPE_CHECKING:
    from calib.experiments.canary.check import Check
    from calib.experiments.canary.settings import CanarySettings
    from calib.metrics.text_file import JobResult

app = group("canary", epilog="Example: calib canary check --advance")

StateDir = Annotated[
    str | None, typer.Option("--state", metavar="DIR", help="Directory of the canary's state [OUT/canary].")
]
Now = Annotated[str | None, typer.Option("--now", metavar="TIME", help="Check as of this time, UTC [now].")]
_READING = [FEEDS[key] for key in ("feeds", "out", "symbols", "max_reject_ratio")]
"""Settings of the commands that read the feeds."""
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, recorded in the audit.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 also if there is no verdict.")]


@app.callback(invoke_without_command=True)
def canary(context: typer.Context) -> int:
    """Enable the market-data cache for all symbols step by step, and roll back if a gate is violated."""
    if context.invoked_subcommand is None:
        raise UsageError("calib canary needs a command", hint="check, advance, status, rollback, reset or accept")
    return 0


@command("canary check", example="calib canary check --feeds artifacts/edge/feeds --advance --quiet", settings=_READING)
def check(
    session: Session,
    state: StateDir = None,
    now: Now = None,
    advance: Annotated[bool, typer.Option("--advance", help="Advance to the next step if this one passes.")] = False,
    strict: Strict = False,
    prom: options.Prom = None,
) -> int:
    """Check the canary from the feeds; a violated gate rolls back. Exit 1 if a gate is violated or rolled back."""
    found = _check(session, state, now, advance=advance)
    if found.advanced:
        session.note(f"advanced to {found.phase}")
    return _finish(session, found, strict=strict, prom=prom)


@command("canary advance", example="calib canary advance", settings=_READING)
def advance(
    session: Session,
    state: StateDir = None,
    now: Now = None,
    prom: options.Prom = None,
) -> int:
    """Advance to the next step of the schedule. Exit 1 if the current step has not passed."""
    found = _check(session, state, now, advance=True)
    if found.advanced:
        return _finish(session, found, prom=prom)
    if found.ready:
        raise UsageError("every symbol already uses the cache", hint="There is no further step")
    return _finish(session, found, refused="may not advance: ")


@command("canary status", example="calib canary status --output json", settings=[FEEDS["out"]])
def status(
    session: Session,
    state: StateDir = None,
) -> int:
    """Show the status of the canary without a check. Exit 1 if it is rolled back."""
    from calib.evaluation.canary import existing_canary
    from calib.reports.canary import status_lines

    data = existing_canary(_directory(session, state), _settings(session)).status()
    rollback = data["rollback"]
    verdict = f"rolled back: {rollback.get('why', '')}" if rollback else ""
    return session.finish(data, status_lines(data), exit_code=1 if rollback else 0, verdict=verdict)


@command("canary rollback", example="calib canary rollback --reason 'venue maintenance'", settings=[FEEDS["out"]])
def rollback(
    session: Session,
    reason: Reason,
    state: StateDir = None,
) -> int:
    """Disable the cache for every symbol until a reset."""
    _check_reason(reason)
    from calib.evaluation.canary import roll_back_canary
    from calib.reports.canary import report_writer

    writer = report_writer(session.config["out"])
    found = roll_back_canary(
        _directory(session, state), reason.strip(), _settings(session), report_writer=writer, note=session.note
    )
    return session.finish({"rollback": found}, [f"ROLLED_BACK: {found.get('why', '')}; no symbol uses the cache"])


@command("canary reset", example="calib canary reset --reason 'cache fixed in 1.8.2'", settings=[FEEDS["out"]])
def reset(
    session: Session,
    reason: Reason,
    state: StateDir = None,
) -> int:
    """Clear a rollback; the canary restarts in shadow."""
    _check_reason(reason)
    from calib.evaluation.canary import reset_canary

    cleared = reset_canary(_directory(session, state), reason.strip())
    if cleared is None:
        session.note("there is no rollback; nothing changed")
        return session.finish({"cleared": None}, ["not rolled back"])
    return session.finish({"cleared": cleared}, [f"cleared: {cleared.get('why', '')}; the canary restarts in shadow"])


@command("canary accept", example="calib canary accept --name before-cache --day yesterday", settings=_READING)
def accept(
    session: Session,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the baseline.")],
    state: StateDir = None,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
) -> int:
    """Measure fetch_md over a range without the cache and write it as the baseline; nothing else changes it."""
    if not name.strip():
        raise UsageError("--name is empty", hint="Give the baseline a name, such as before-cache")
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
    symbols_line = f"{counted(len(baseline.symbols), 'symbol')} with their own p95"
    return session.finish(
        data, [str(path), f"  baseline {baseline.name!r} version {baseline.version}: {figure}", f"  {symbols_line}"]
    )


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise UsageError("--reason is empty", hint="Give the reason; it is recorded in the audit")


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
    """Return the result for the text file of ``--prom``."""
    from calib.metrics.text_file import JobResult, share

    covered = share(found.covered_s, found.needed_s)
    return JobResult(found.measures.ticks, coverage_ratio=None if covered is None else min(1.0, covered))


for _body in (check, advance, status, rollback, reset, accept):
    add(app, _body.__name__, _body)
