"""``calib ab``: evaluate an experiment from its feeds; status, rollback and reset of a running one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib.cli import options, success
from calib.cli.command import add, command, group
from calib.cli.output import Session
from calib.cli.report_options import Format, Open, ReportFormat, form_of, open_report
from calib.cli.times import parse_range, parse_time
from calib.errors import UsageError
from calib.feeds.settings import SETTINGS as FEEDS
from calib.files import locked
from calib.words import counted

if TYPE_CHECKING:
    from calib.config import Config
    from calib.evaluation.ab import ABOptions
    from calib.metrics.text_file import JobResult

app = group("ab", epilog="Example: calib ab --feeds sample_feeds --assign demo/50% --decision sequential")

StateDir = Annotated[
    str | None, typer.Option("--state", metavar="DIR", help="Directory of the experiment's state [OUT/ab].")
]


@app.callback(invoke_without_command=True)
def ab(
    context: typer.Context,
    feeds: options.Feeds = None,
    out: options.Out = None,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
    symbols: options.Symbols = None,
    decision: Annotated[
        str | None,
        typer.Option(metavar="threshold|sequential", help="The decision that gives the verdict [sequential]."),
    ] = None,
    assignment: Annotated[
        str | None,
        typer.Option(metavar="RULE", help="hash, rank or switchback; detected for recorded buckets."),
    ] = None,
    assign: Annotated[
        str | None,
        typer.Option(metavar="SALT[/SPLIT]", help="Assign the symbols afterwards: demo/0.5 or demo/50% [50%]."),
    ] = None,
    bucket: Annotated[
        list[str] | None,
        typer.Option(metavar="ARM=FILES", help="Use these files for an arm: A='a/*.jsonl'; repeat for B."),
    ] = None,
    block_s: Annotated[float | None, typer.Option(metavar="S", help="Length of a block, s [60].")] = None,
    treatment_from: Annotated[
        str | None, typer.Option(metavar="TIME", help="Persistent arms: when B began to differ, UTC.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 also if there is no verdict.")] = False,
    max_reject_ratio: options.MaxRejectRatio = None,
    format_: Format = ReportFormat.MD,
    open_: Open = False,
    prom: options.Prom = None,
    config: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Evaluate an experiment from its feeds: compare B with A, gate by gate, by both decisions.

    Writes reports/ab_run_RANGE.md below --out. Exit 1 if the deciding rules require a rollback.
    """
    if context.invoked_subcommand is not None:
        return 0
    now = time.time()
    flags = {
        "feeds": feeds,
        "out": out,
        "symbols": options.split_commas(symbols),
        "max_reject_ratio": max_reject_ratio,
        "ab.decision": decision,
        "ab.assignment": assignment,
        "ab.block_s": block_s,
        "ab.treatment_from": parse_time(treatment_from, now) if treatment_from else None,
    }
    if flags["symbols"] == []:
        raise UsageError("--symbols has no value", hint="Leave --symbols out, or give at least one")
    if assign and bucket:
        raise UsageError("--assign and --bucket cannot be combined", hint="Give one of them")
    session = options.start("ab", flags=flags, config=config, output=output, quiet=quiet, verbose=verbose, color=color)
    asked = parse_range(start=start, end=end, since=since, day=day, now=now)
    with locked(Path(session.config["out"])):
        asked_report = (form_of(format_, open_), open_)
        arms = (assign, bucket or [])
        return _evaluate(session, asked.start, asked.end, *arms, strict=strict, prom=prom, report_form=asked_report)


def _evaluate(
    session: Session,
    start: float | None,
    end: float | None,
    assign: str | None,
    buckets: list[str],
    *,
    strict: bool,
    prom: Path | None,
    report_form: tuple[ReportFormat, bool],
) -> int:
    from calib.evaluation.ab import evaluate_ab
    from calib.experiments.settings import ABSettings
    from calib.reports.ab import other_line, verdict_line
    from calib.reports.ab_page import write_ab_report

    config = session.config
    out = Path(config["out"])
    settings = ABSettings.from_section(config.section("ab"))
    with session.progress("evaluating", 1.0) as advance:
        report = evaluate_ab(
            config["feeds"],
            settings,
            start=start,
            end=end,
            symbols=tuple(config["symbols"]),
            buckets=buckets,
            options=_options(config, assign),
            max_reject_ratio=config["max_reject_ratio"],
            out=out,
            note=session.note,
            progress=lambda lines, total: advance(lines / total),
        )
    form, open_ = report_form
    asked = {"assign": assign, "buckets": buckets}
    given = {key: value for key, value in asked.items() if value}
    paths = write_ab_report(report, out, config.changed("ab", "symbols", "contracts") | given, form.value)
    if open_:
        open_report(session, paths)
    violated = report["first_act"][settings.decision] is not None
    unknown = not violated and report["state"] in ("NODATA", "INCONCLUSIVE")
    verdict = verdict_line(report).replace("`", "")
    if unknown:
        session.note("no verdict; the report has the reason")
    failed = violated or (unknown and strict)
    verdict_lines = [] if failed else [f"  {verdict}"]  # a failed verdict is printed on stderr
    written = [str(path) for path in paths if path.suffix != ".svg"]
    lines = [*written, *verdict_lines, f"  {other_line(report).replace('`', '')}", f"  {_digest(report)}"]
    if not failed:
        success.write_prom(prom, session, _result(report))
    return session.finish(
        report | {"report": str(paths[0]), "files": [str(path) for path in paths]},
        lines,
        exit_code=int(failed),
        verdict=verdict if failed else "",
    )


def _options(config: Config, assign: str | None) -> ABOptions:
    from calib.evaluation.ab import ABOptions
    from calib.feeds.contracts import contracts_of

    is_set = config.origin("ab.assignment") != "default"
    return ABOptions(
        assign=assign,
        assignment=config["ab.assignment"] if is_set else None,
        split=config["ab.split"],
        whitelist=config["ab.whitelist"],
        blacklist=config["ab.blacklist"],
        maker_fee_bps=config["aggregate.maker_fee_bps"],
        taker_fee_bps=config["aggregate.taker_fee_bps"],
        tick_sample_rate=config["aggregate.tick_sample_rate"],
        contracts=contracts_of(config["contracts"]),
    )


def _result(report: dict[str, Any]) -> JobResult:
    """Return the result for the text file of ``--prom``."""
    from calib.feeds.reading.checkup import missing_by_kind
    from calib.feeds.reading.days import DayFile
    from calib.metrics.text_file import JobResult

    inputs = report["inputs"]
    files = [file for item in inputs if (file := DayFile.of(Path(item["file"]))) is not None]
    missing = sum(len(days) for days in missing_by_kind(files).values()) if files else 0
    return JobResult.of_inputs(inputs, missing)


def _digest(report: dict[str, Any]) -> str:
    from calib.reports.ab import signed
    from calib.reports.numbers import number

    total = report["totals"]["slippage_bps"]
    n = f"{counted(int(total['n_a']), 'fill', thousands=True)} in A, {int(total['n_b']):,} in B"
    return f"slippage {number(total['a'])} in A, {number(total['b'])} in B ({signed(total['delta'])} bps); {n}"


@command("ab status", example="calib ab status --state artifacts/edge/ab", settings=[FEEDS["out"]])
def status(
    session: Session,
    state: StateDir = None,
) -> int:
    """Show the status of a running experiment from its state file. Exit 1 if it is rolled back."""
    from calib.evaluation.ab import ab_status
    from calib.reports.ab import moment

    data = ab_status(_directory(session, state))
    rollback = data["rollback"]
    lines = [
        f"{data['state']}, {counted(len(data['symbols']), 'symbol')}, evaluated to {moment(data['evaluated_to'])} UTC"
    ]
    lines += [f"  {gate}: violating for {held:.0f} s" for gate, held in data["held_s"].items() if held and not rollback]
    verdict = ""
    if rollback:
        verdict = f"rolled back at {moment(rollback['ts'])} UTC by {by_whom(rollback)}"
        lines.append("  clear it with: calib ab reset --reason '...'")
    return session.finish(data, lines, exit_code=1 if rollback else 0, verdict=verdict)


def by_whom(rollback: dict[str, Any]) -> str:
    """Return the gate that rolled back, or the operator and the reason given."""
    if rollback.get("gate") == "operator":
        return f"an operator: {rollback.get('reason', '')}"
    return f"{rollback.get('gate', 'an unknown gate')} ({rollback.get('decision', 'unknown')} decision)"


@command("ab rollback", example="calib ab rollback --reason 'venue maintenance'", settings=[FEEDS["out"]])
def rollback(
    session: Session,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, recorded in the audit.")],
    state: StateDir = None,
) -> int:
    """Route every symbol to A until a reset. A running process applies it at its next evaluation."""
    if not reason.strip():
        raise UsageError("--reason is empty", hint="Give the reason; it is recorded in the audit")
    from calib.evaluation.ab import roll_back_ab

    found = roll_back_ab(_directory(session, state), reason.strip())
    return session.finish({"rollback": found}, [f"ROLLED_BACK by {by_whom(found)}; every symbol runs A"])


@command("ab reset", example="calib ab reset --reason 'queue model fixed in 1.8.2'", settings=[FEEDS["out"]])
def reset(
    session: Session,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why it may run again; recorded in the audit.")
    ],
    state: StateDir = None,
) -> int:
    """Clear a rollback; nothing else clears one. A running process applies it at its next evaluation."""
    if not reason.strip():
        raise UsageError("--reason is empty", hint="Say why the experiment may run again; it is recorded in the audit")
    from calib.evaluation.ab import reset_ab
    from calib.reports.ab import moment

    cleared = reset_ab(_directory(session, state), reason.strip())
    if cleared is None:
        session.note("there is no rollback; nothing changed")
        return session.finish({"cleared": None}, ["not rolled back"])
    line = f"cleared: the rollback of {moment(cleared['ts'])} UTC by {by_whom(cleared)}; tests and timers start again"
    return session.finish({"cleared": cleared}, [line])


def _directory(session: Session, state: str | None) -> Path:
    return Path(state) if state else Path(session.config["out"]) / "ab"


for _body in (status, rollback, reset):
    add(app, _body.__name__, _body)
