"""The baseline: known findings, by fingerprint, that do not fail the check."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from calib.errors import UnwritableOutput, UsageError
from calib.files import write_atomic
from calib.policy.checker.findings import Finding

SCHEMA: Final = "calib.policy.baseline/1"


def read(path: Path) -> frozenset[str]:
    """Return the fingerprints of a baseline file.

    Raises
    ------
    UsageError
        If the file is missing or is not a baseline.
    """
    hint = "`calib policy check --write-baseline FILE` writes one"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the baseline cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    except ValueError as error:
        raise UsageError("the baseline is not valid JSON", where=str(path), hint=hint) from error
    if (
        not isinstance(content, dict)
        or content.get("schema") != SCHEMA
        or not isinstance(content.get("findings"), list)
    ):
        raise UsageError(f"is not a baseline with schema {SCHEMA}", where=str(path), hint=hint)
    return frozenset(str(each.get("fingerprint")) for each in content["findings"] if isinstance(each, dict))


def write(path: Path, findings: Iterable[Finding]) -> None:
    """Write the findings that no comment suppresses as the new baseline.

    Raises
    ------
    UnwritableOutput
        If the file cannot be written.
    """
    rows = [
        {"fingerprint": each.fingerprint, "rule": each.rule, "path": each.path, "message": each.message}
        for each in findings
        if not each.suppressed
    ]
    text = json.dumps({"schema": SCHEMA, "findings": rows}, indent=2) + "\n"
    try:
        write_atomic(path, text.encode())
    except OSError as error:
        raise UnwritableOutput(f"cannot write: {error.strerror}", where=str(path)) from error


def marked(findings: Iterable[Finding], known: frozenset[str]) -> list[Finding]:
    """Return all findings, with those of the baseline marked."""
    return [replace(each, baseline=True) if each.fingerprint in known else each for each in findings]
