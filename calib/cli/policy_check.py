"""``calib policy check``: a static checker for the code review of the caching policy."""

from __future__ import annotations

import enum
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from calib.cli import options
from calib.cli.output import Session, emit, envelope, say
from calib.errors import UnreadableInput, UsageError
from calib.words import counted

if TYPE_CHECKING:
    from calib.policy.checker import Report

NAME: Final = "policy check"
_EPILOG: Final = "Example: calib policy check bot/ --ignore CAL107 --output github"


class CheckForm(enum.StrEnum):
    """Form of the findings on stdout."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    SARIF = "sarif"
    GITHUB = "github"


def add_to(group: typer.Typer) -> None:
    """Add the command ``check`` to the group ``policy``."""
    group.command("check", epilog=_EPILOG)(check)


def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Python files or directories; default: the working directory."),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option("--select", metavar="RULE[,RULE]", help="Only these rules or prefixes."),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="RULE[,RULE]", help="Without these rules or prefixes."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="FILE", help="Findings in this file are marked as known and do not fail."),
    ] = None,
    write_baseline: Annotated[
        Path | None,
        typer.Option("--write-baseline", metavar="FILE", help="Write the findings of this run as a baseline."),
    ] = None,
    statistics: Annotated[bool, typer.Option("--statistics", help="Also count the findings of each rule.")] = False,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="RULE", help="Only print a rule with its examples.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", metavar="N", min=1, help="Number of processes [one per core, at most 8].")
    ] = None,
    output: Annotated[
        CheckForm, typer.Option("--output", "--format", help="Form of the findings on stdout.")
    ] = CheckForm.TEXT,
    config_file: options.ConfigFile = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Find caches of balances, orders, positions and prices in Python code, without running it.

    A finding ends with 1. `# calib: allow[CAL103] the reason` on its line, or alone above it, allows it; so does a
    baseline. Files that are not valid Python are reported and do not count; one that cannot be read ends with 3.
    """
    form = options.OutputForm.JSON if output is CheckForm.JSON else options.OutputForm.TEXT
    session = options.start(NAME, config=config_file, output=form, quiet=quiet, verbose=verbose, color=color)
    if explain is not None:
        return _explain(session, explain)
    rules = _chosen(options.split_commas(select), options.split_commas(ignore))
    report = _run(session, paths or [Path()], rules, baseline, jobs)
    if write_baseline is not None:
        from calib.policy.checker import baseline as baselines

        baselines.write(write_baseline, report.findings)
        session.note(f"{counted(len(report.standing), 'finding')} written to {write_baseline}")
        unread = UnreadableInput.exit_code if report.unread else 0
        return _show(session, report, output, statistics=statistics, exit_code=unread)
    unread = UnreadableInput.exit_code if report.unread else 0
    return _show(session, report, output, statistics=statistics, exit_code=1 if report.counting else unread)


def _explain(session: Session, wanted: str) -> int:
    from calib.policy.checker import RULES
    from calib.policy.checker.explain import explained

    rule = RULES.get(wanted.strip().upper())
    if rule is None:
        raise UsageError(f"unknown rule {wanted!r}", where="--explain", hint=f"One of {', '.join(RULES)}")
    data = {
        "rule": rule.id,
        "name": rule.name,
        "severity": rule.severity.value,
        "title": rule.title,
        "why": rule.why,
        "wrong": rule.wrong,
        "right": rule.right,
    }
    return session.finish(data, list(explained(rule)))


def _chosen(select: list[str] | None, ignore: list[str] | None) -> list[str]:
    """Return the chosen ids, in the order of the registry."""
    from calib.policy.checker import RULES

    chosen = list(RULES) if select is None else [rule for rule in RULES if _has_prefix(rule, select)]
    for flag, given in (("--select", select), ("--ignore", ignore)):
        for word in given or []:
            if not any(rule.startswith(word.upper()) for rule in RULES):
                raise UsageError(f"no rule starts with {word!r}", where=flag, hint=f"One of {', '.join(RULES)}")
    chosen = [rule for rule in chosen if not _has_prefix(rule, ignore or [])]
    if not chosen:
        raise UsageError("no rule is left", where="--ignore", hint=f"Known: {', '.join(RULES)}")
    return chosen


def _has_prefix(rule: str, words: list[str]) -> bool:
    return any(rule.startswith(word.upper()) for word in words)


def _run(session: Session, paths: list[Path], rules: list[str], baseline: Path | None, jobs: int | None) -> Report:
    from calib.policy.checker import baseline as baselines
    from calib.policy.checker import check_paths, python_files

    known = None if baseline is None else baselines.read(baseline)
    files = python_files(paths)
    if not files:
        session.note("the paths contain no Python files")
    used = min(os.cpu_count() or 1, 8) if jobs is None else jobs
    with session.progress("checking", float(len(files))) as advance:
        report = check_paths(files, rules=rules, known=known, jobs=used, advance=advance)
    for broken in report.broken:
        if broken.unread:
            continue  # an error, said with the result
        where = f"{broken.path}:{broken.error_line}" if broken.error_line else broken.path
        session.note(f"{where}: not valid Python, skipped: {broken.error}")
    for path, line, problem in report.allow_problems:
        session.note(f"{path}:{line}: calib: allow: {problem}")
    return report


def _show(session: Session, report: Report, form: CheckForm, *, statistics: bool, exit_code: int) -> int:
    from calib._version import __version__
    from calib.policy.checker import forms, sarif

    match form:
        case CheckForm.JSON:
            status = {0: "ok", 1: "verdict-no"}.get(exit_code, "error")
            errors = [
                {
                    "name": UnreadableInput.name if each.unread else "not-python",
                    "what": each.error,
                    "where": f"{each.path}:{each.error_line}" if each.error_line else each.path,
                    "hint": "The file was skipped; its findings are unknown",
                }
                for each in report.broken
            ]
            data = forms.report_data(report, statistics=statistics)
            emit(envelope(NAME, status, exit_code, data, errors))
        case CheckForm.SARIF:
            emit(json.dumps(sarif.document(report, __version__), indent=2) + "\n")
        case CheckForm.JSONL | CheckForm.GITHUB:
            lines = forms.json_lines(report) if form is CheckForm.JSONL else forms.github(report)
            emit("".join(f"{line}\n" for line in lines))
        case CheckForm.TEXT:
            shown = [*forms.text(report), *(forms.statistics(report) if statistics else ())]
            session.finish(None, shown, exit_code=exit_code)
    if form is not CheckForm.JSON:
        for each in report.unread:
            say(
                "error",
                f"{each.path}: cannot be read and was not checked: {each.error} [{UnreadableInput.name}]",
                session.color,
            )
    return exit_code
