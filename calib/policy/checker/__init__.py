"""The static checker ``calib policy check``: finds caches of trading data in Python code without running it."""

from calib.policy.checker.check import FileResult, check_file, check_source
from calib.policy.checker.files import python_files
from calib.policy.checker.findings import Finding, Rule, Severity
from calib.policy.checker.rules import RULES
from calib.policy.checker.run import Report, check_paths

__all__ = [
    "RULES",
    "FileResult",
    "Finding",
    "Report",
    "Rule",
    "Severity",
    "check_file",
    "check_paths",
    "check_source",
    "python_files",
]
