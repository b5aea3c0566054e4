"""A whole run: many files, on as many processes as there are cores."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from calib.policy.checker import baseline
from calib.policy.checker.check import FileResult, check_file
from calib.policy.checker.files import shown
from calib.policy.checker.findings import Finding
from calib.policy.checker.rules import RULES

_WORTH_PROCESSES: Final = 200
"""Files below which starting processes costs more than it saves."""
_AT_ONCE: Final = 25


@dataclass(frozen=True, slots=True)
class Report:
    """What a run gave: one result a file, in the order of the files."""

    files: tuple[FileResult, ...]
    rules: tuple[str, ...]
    """The ids that were asked."""
    known: frozenset[str] | None = None
    """The fingerprints of the baseline, or None where none was given."""

    @property
    def findings(self) -> list[Finding]:
        """Every finding, those of the baseline and those that a comment allows included."""
        found = [finding for each in self.files for finding in each.findings]
        return baseline.marked(found, self.known or frozenset())

    @property
    def standing(self) -> list[Finding]:
        """Those that no comment allows."""
        return [finding for finding in self.findings if not finding.suppressed]

    @property
    def counting(self) -> list[Finding]:
        """Those that make the run end with 1."""
        return [finding for finding in self.findings if finding.counts]

    @property
    def broken(self) -> list[FileResult]:
        """Files that could not be read as Python."""
        return [each for each in self.files if each.error]

    @property
    def allow_problems(self) -> list[tuple[str, int, str]]:
        """Comments that allow nothing: the file, the line, and why. Only where every rule of the comment was asked."""
        return [
            (each.path, allow.line, allow.problem)
            for each in self.files
            for allow in each.allows
            if allow.problem
            and (not allow.reason or set(allow.rules) <= set(self.rules) or not set(allow.rules) & set(RULES))
        ]


def check_paths(
    files: Sequence[Path],
    *,
    rules: Iterable[str] | None = None,
    known: frozenset[str] | None = None,
    jobs: int = 1,
    base: Path | None = None,
    advance: Callable[[float], None] = lambda _: None,
) -> Report:
    """Check files.

    Parameters
    ----------
    files
        From `calib.policy.checker.files.python_files`.
    rules
        Ids of the rules to ask; None for all.
    known
        Fingerprints of the baseline.
    jobs
        Processes to use at most, >= 1.
    base
        Paths in findings are relative to it; None for the working directory.
    advance
        Called with the number of files done since the last call.
    """
    ids = tuple(RULES) if rules is None else tuple(rules)
    root = Path.cwd() if base is None else base
    named = [(path, shown(path, root), ids) for path in files]
    results: list[FileResult] = []
    if jobs <= 1 or len(named) < _WORTH_PROCESSES:
        with _no_collector():
            for each in named:
                results.append(_one(each))
                advance(1)
        return Report(tuple(results), ids, known)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(min(jobs, os.cpu_count() or 1), context, _quiet) as pool:
        try:
            for result in pool.map(_one, named, chunksize=_AT_ONCE):
                results.append(result)
                advance(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Report(tuple(results), ids, known)


def _one(given: tuple[Path, str, tuple[str, ...]]) -> FileResult:
    path, name, ids = given
    return check_file(path, name, [RULES[each] for each in ids])


def _quiet() -> None:
    """An interrupt goes to the parent, which ends the processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Leave the collector of cycles off: syntax trees have none, and it would look through them again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
