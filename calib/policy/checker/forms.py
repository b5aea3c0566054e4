"""The output formats of a report: text, JSON lines, GitHub annotations, and data for calib's envelope."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from calib.policy.checker.findings import Finding
from calib.policy.checker.rules import RULES
from calib.policy.checker.run import Report
from calib.words import counted


def finding_data(finding: Finding) -> dict[str, Any]:
    """Return one finding as JSON data."""
    return {
        "rule": finding.rule,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "severity": finding.severity.value,
        "scope": finding.scope,
        "fingerprint": finding.fingerprint,
        "baseline": finding.baseline,
    }


def report_data(report: Report, *, statistics: bool = False) -> dict[str, Any]:
    """Return the report as JSON data."""
    data: dict[str, Any] = {
        "files": len(report.files),
        "findings": [finding_data(each) for each in report.standing],
        "suppressed": [finding_data(each) | {"reason": each.suppressed} for each in report.findings if each.suppressed],
        "allow_problems": [
            {"path": path, "line": line, "problem": problem} for path, line, problem in report.allow_problems
        ],
    }
    if statistics:
        data["statistics"] = counts(report)
    return data


def counts(report: Report) -> dict[str, int]:
    """Return the number of findings per rule, for rules with findings."""
    counted = Counter(each.rule for each in report.standing)
    return {rule: counted[rule] for rule in RULES if counted[rule]}


def text(report: Report) -> Iterator[str]:
    """Yield one line per finding in the format of compilers, and a summary line."""
    for each in report.standing:
        known = " (in the baseline)" if each.baseline else ""
        yield f"{each.path}:{each.line}:{each.column}: {each.severity.value} {each.rule} {each.message}{known}"
    yield summary(report)


def summary(report: Report) -> str:
    """Return the numbers of files, errors and warnings in one line."""
    standing = report.standing
    errors = sum(each.severity.value == "error" for each in standing)
    known = sum(each.baseline for each in standing)
    allowed = len(report.findings) - len(standing)
    parts = [
        (
            f"{counted(len(report.files), 'file')} checked: {counted(errors, 'error')}, "
            f"{counted(len(standing) - errors, 'warning')}"
        )
    ]
    if known:
        parts.append(f"{known} in the baseline")
    if allowed:
        parts.append(f"{allowed} allowed by comments")
    return ", ".join(parts)


def statistics(report: Report) -> Iterator[str]:
    """Yield one line per rule with findings."""
    for rule, number in counts(report).items():
        yield f"{number:>6}  {rule}  {RULES[rule].name}"


def json_lines(report: Report) -> Iterator[str]:
    """Yield one JSON object per finding."""
    for each in report.standing:
        yield json.dumps(finding_data(each), ensure_ascii=True)


def github(report: Report) -> Iterator[str]:
    """Yield GitHub workflow commands that annotate the lines; findings of the baseline are notices."""
    for each in report.standing:
        level = "notice" if each.baseline else each.severity.value
        place = f"file={_property(each.path)},line={each.line},endLine={each.end_line},col={each.column}"
        yield f"::{level} {place},title={_property(each.rule)}::{_message(each.message)}"


def _message(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _message(value).replace(":", "%3A").replace(",", "%2C")
