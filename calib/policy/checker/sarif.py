"""SARIF 2.1.0: the format of code-scanning services (OASIS, 2020)."""

from __future__ import annotations

import urllib.parse
from typing import Any, Final

from calib.policy.checker.findings import Finding, Rule
from calib.policy.checker.rules import RULES
from calib.policy.checker.run import Report

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT: Final = "SRCROOT"


def document(report: Report, version: str) -> dict[str, Any]:
    """Return the report as a SARIF log with one run.

    Parameters
    ----------
    version
        Version of calib.
    """
    ids = [rule for rule in RULES if rule in report.rules]
    driver = {"name": "calib policy check", "semanticVersion": version, "rules": [_rule(RULES[each]) for each in ids]}
    invocation: dict[str, Any] = {"executionSuccessful": not report.unread}
    if report.broken:
        invocation["toolExecutionNotifications"] = [
            {
                "level": "error" if each.unread else "warning",
                "message": {"text": f"{'cannot be read' if each.unread else 'not valid Python'}: {each.error}"},
                "locations": [{"physicalLocation": _place(each.path, each.error_line or 1)}],
            }
            for each in report.broken
        ]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The directory in which the check was started"}}},
        "invocations": [invocation],
        "results": [_result(each, ids.index(each.rule), report) for each in report.findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why}\n\nWrong:\n\n{rule.wrong}\nRight:\n\n{rule.right}"},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _result(finding: Finding, index: int, report: Report) -> dict[str, Any]:
    place = _place(finding.path, finding.line, finding.column, finding.end_line)
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity.value,
        "message": {"text": f"{finding.message}."},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"calib/v1": finding.fingerprint},
    }
    if report.known is not None:
        result["baselineState"] = "unchanged" if finding.baseline else "new"
    if finding.suppressed:
        result["suppressions"] = [{"kind": "inSource", "justification": finding.suppressed}]
    return result


def _place(path: str, line: int, column: int = 1, end_line: int | None = None) -> dict[str, Any]:
    relative = not path.startswith("/")
    uri = urllib.parse.quote(path) if relative else f"file://{urllib.parse.quote(path)}"
    artifact = {"uri": uri, "uriBaseId": ROOT} if relative else {"uri": uri}
    region = {"startLine": line, "startColumn": column, "endLine": end_line or line}
    return {"artifactLocation": artifact, "region": region}
