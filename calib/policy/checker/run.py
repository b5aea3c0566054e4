"""A run over many files, on up to as many processes as there are cores."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import msgspec

from calib.pipes import receive, send, start_child
from calib.policy.checker import baseline
from calib.policy.checker.check import FileResult, check_file
from calib.policy.checker.files import shown
from calib.policy.checker.findings import Finding
from calib.policy.checker.rules import RULES

_WORTH_PROCESSES: Final = 200
"""Number of files from which child processes are used: below, starting them costs more than it saves."""
_FILES_PER_PART: Final = 25


@dataclass(frozen=True, slots=True)
class Report:
    """The results of a run, one per file, in the order of the files."""

    files: tuple[FileResult, ...]
    rules: tuple[str, ...]
    """The ids of the applied rules."""
    known: frozenset[str] | None = None
    """The fingerprints of the baseline, or None without a baseline."""

    @property
    def findings(self) -> list[Finding]:
        """Every finding, including those of the baseline and suppressed ones."""
        found = [finding for each in self.files for finding in each.findings]
        return baseline.marked(found, self.known or frozenset())

    @property
    def standing(self) -> list[Finding]:
        """The findings that no comment suppresses."""
        return [finding for finding in self.findings if not finding.suppressed]

    @property
    def counting(self) -> list[Finding]:
        """The findings that make the command exit with 1."""
        return [finding for finding in self.findings if finding.counts]

    @property
    def broken(self) -> list[FileResult]:
        """Files that are not Python, or could not be read at all."""
        return [each for each in self.files if each.error]

    @property
    def unread(self) -> list[FileResult]:
        """Those of `broken` of which nothing could be read: what is in them is not known."""
        return [each for each in self.files if each.unread]

    @property
    def allow_problems(self) -> list[tuple[str, int, str]]:
        """Comments without effect: file, line and reason; only comments whose rules were all applied."""
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
        The files, from `calib.policy.checker.files.python_files`.
    rules
        Ids of the rules to apply; None for all.
    known
        Fingerprints of the baseline.
    jobs
        Maximum number of processes, >= 1.
    base
        Paths in findings are relative to it; None for the working directory.
    advance
        Called with the number of files checked since the last call.
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
    parts = [named[begin : begin + _FILES_PER_PART] for begin in range(0, len(named), _FILES_PER_PART)]
    with _Children(min(jobs, os.cpu_count() or 1)) as children:
        for part in children.check(parts):
            results += part
            advance(len(part))
    return Report(tuple(results), ids, known)


_Named = tuple[Path, str, tuple[str, ...]]
"""A file, its name in findings, and the ids of the rules to apply."""


class _Results(msgspec.Struct, frozen=True):
    files: list[FileResult]


def _one(given: _Named) -> FileResult:
    path, name, ids = given
    return check_file(path, name, [RULES[each] for each in ids])


class _Children:
    """A pool of child processes that check parts; the part of a child that dies is checked in this process."""

    def __init__(self, jobs: int) -> None:
        self._idle: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
        self._all = [start_child("calib.policy.checker.run:serve") for _ in range(jobs)]
        self._threads = ThreadPoolExecutor(jobs)
        for child in self._all:
            self._idle.put(child)

    def __enter__(self) -> _Children:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for child in self._all:
                child.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for child in self._all:
            with contextlib.suppress(BrokenPipeError), child:
                pass

    def check(self, parts: Sequence[Sequence[_Named]]) -> Iterator[list[FileResult]]:
        """Return the results of each part, in order."""
        return self._threads.map(self._ask, parts)

    def _ask(self, part: Sequence[_Named]) -> list[FileResult]:
        child = self._idle.get()
        try:
            if child is not None:
                send(child.stdin, [(os.fsencode(path), name, ids) for path, name, ids in part])
                answer = receive(child.stdout, _Results)
                if answer is not None:
                    return answer.files
                child = None
        except (BrokenPipeError, ConnectionResetError):
            child = None
        finally:
            self._idle.put(child)
        return [_one(each) for each in part]


def serve() -> None:
    """Run a child process: check the received parts until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and stops its children
    gc.disable()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # otherwise a stray print would corrupt the messages
    with answers, contextlib.suppress(BrokenPipeError):
        while (part := receive(sys.stdin.buffer, list[tuple[bytes, str, tuple[str, ...]]])) is not None:
            try:
                found = [_one((Path(os.fsdecode(path)), name, ids)) for path, name, ids in part]
            except Exception:
                return  # the parent checks the part itself and raises the error
            send(answers, _Results(found))


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Disable the garbage collector: syntax trees have no cycles, and each collection would scan all of them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
