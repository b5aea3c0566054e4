"""Apply small changes to the code, and check that a test fails: ``make mutate``.

A sample of the changes of mutmut's operators and of omitted statements, for each part of the package. Each change is
tested in a copy of the repository with the tests of its part. Changes without a failing test are printed: they need a
test, or the code is unnecessary. The same seed gives the same sample.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

ROOT: Final = Path(__file__).resolve().parent.parent
LEFT_OUT: Final = (".git", ".venv*", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "artifacts")
LAST: Final = ("kill", "process", "end_to_end")
"""Tests that start many processes run last, because most changes are detected before."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one file."""

    path: Path
    line: int
    before: str
    after: str
    module: cst.Module
    node: cst.CSTNode
    changed: cst.CSTNode

    def text(self) -> str:
        """Return the file with the change."""
        return cast("cst.Module", self.module.deep_replace(self.node, self.changed)).code

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {_short(self.before)} -> {_short(self.after)}"


def _short(code: str) -> str:
    text = " ".join(code.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def changes_of(path: Path) -> list[Change]:
    """Return all changes of a file; docstrings, annotations and imports are not changed."""
    wrapper = MetadataWrapper(cst.parse_module((ROOT / path).read_text(encoding="utf-8")), unsafe_skip_copy=True)
    lines = wrapper.resolve(PositionProvider)
    module = wrapper.module
    found = []
    for node, changed in _pairs(module):
        before, after = module.code_for_node(node), cst.Module([]).code_for_node(changed)
        if before != after:
            found.append(Change(path, lines[node].start.line, before, after, module, node, changed))
    return found


def _pairs(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Yield the nodes below a node that can be changed, each with its replacement."""
    if isinstance(node, cst.Annotation | cst.Import | cst.ImportFrom | cst.Decorator):
        return
    if isinstance(node, cst.Expr):
        if isinstance(node.value, cst.SimpleString | cst.ConcatenatedString):
            return  # a docstring
        yield node, cst.Pass()
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            for changed in operator(node):
                yield node, changed
    for child in node.children:
        yield from _pairs(child)


def rooms() -> dict[str, list[Path]]:
    """Return the files of each part of the package that has tests."""
    found: dict[str, list[Path]] = {}
    for path in sorted((ROOT / "calib").rglob("*.py")):
        room = path.parent.relative_to(ROOT / "calib")
        while room != Path() and not (ROOT / "tests" / room).is_dir():
            room = room.parent
        if room != Path():
            found.setdefault(room.as_posix(), []).append(path.relative_to(ROOT))
    return found


def detected(copy: Path, tests: list[str], timeout_s: float) -> bool:
    """Whether a test fails in the copy, or does not end."""
    environment = dict(os.environ, PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, check=False, timeout=timeout_s, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def judge(room: str, files: list[Path], number: int, seed: int, copy: Path) -> tuple[int, int]:
    """Try a sample of changes; return the number detected and the number tried."""
    paths = sorted((copy / "tests" / room).rglob("test_*.py"))
    paths.sort(key=lambda path: any(word in path.as_posix() for word in LAST))
    tests = [path.relative_to(copy).as_posix() for path in paths]
    began = time.monotonic()
    if detected(copy, tests, 1800):
        print(f"{room}: its tests fail without a change")
        return 0, 0
    timeout_s = 20 + 3 * (time.monotonic() - began)
    changes = [change for path in files for change in changes_of(path)]
    chosen = random.Random(f"{seed} {room}").sample(changes, min(number, len(changes)))
    caught = 0
    for change in chosen:
        target = copy / change.path
        target.write_text(change.text(), encoding="utf-8")
        if detected(copy, tests, timeout_s):
            caught += 1
        else:
            print(f"  not detected: {change}", flush=True)
        shutil.copyfile(ROOT / change.path, target)
    return caught, len(chosen)


def main() -> None:
    """Print the share of detected changes for each part."""
    parser = argparse.ArgumentParser(description="Apply small changes to the code, and check that a test fails.")
    parser.add_argument("rooms", nargs="*", help="Directories below calib/, such as feeds/writers; default: all.")
    parser.add_argument("--number", type=int, default=10, help="Changes to try in each directory [10].")
    parser.add_argument("--seed", type=int, default=1, help="Seed of the sample [1].")
    asked = parser.parse_args()
    known = rooms()
    chosen = asked.rooms or list(known)
    if unknown := [room for room in chosen if room not in known]:
        parser.error(f"unknown directory: {', '.join(unknown)}; known: {', '.join(known)}")
    with tempfile.TemporaryDirectory(prefix="calib-mutate-") as directory:
        copy = Path(directory) / "calib"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for room in chosen:
            caught, tried = judge(room, known[room], asked.number, asked.seed, copy)
            share = f"{caught / tried:.0%}" if tried else "nothing tried"
            print(f"{room:<20} {caught} of {tried} changes detected ({share})", flush=True)


if __name__ == "__main__":
    main()
