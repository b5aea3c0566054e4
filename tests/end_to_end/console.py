"""Console blocks of Markdown pages: finding them, running them, and comparing what they print with what is shown.

A block fenced as ``console`` holds commands, each after ``$ `` (a backslash at a line's end continues it), and below
each what it prints, standard output and error together. ``...`` stands for any text within a line, and alone on a line
for any number of lines. Shown nothing, nothing is compared. A command must succeed, unless the next one is ``echo $?``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "artifacts", "dist")


@dataclass
class Command:
    """One command of a page."""

    line: int
    text: str
    expected: list[str] = field(default_factory=list)


def commands(page: str) -> Iterator[Command]:
    """The commands of a page's console blocks, in order."""
    for block in _BLOCK.finditer(page):
        number = page.count("\n", 0, block.start(1))
        command: Command | None = None
        for line in block[1].splitlines():
            number += 1
            if command is not None and command.text.endswith("\\"):
                command.text = command.text[:-1].rstrip() + " " + line.strip()
            elif line.startswith("$ "):
                if command is not None:
                    yield command
                command = Command(number, line[2:])
            elif command is not None:
                command.expected.append(line)
            elif line.strip():
                raise AssertionError(f"line {number}: a console block begins with a command, '$ ...'")
        if command is not None:
            yield command


def matches(expected: list[str], printed: list[str]) -> bool:
    """Whether the printed lines are those expected; blank lines at the end do not count.

    >>> matches(["a ... c", "...", "z"], ["a b c", "anything", "else", "z"]), matches(["a"], ["a", "b"])
    (True, False)
    """
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else ".*?".join(map(re.escape, line.rstrip().split("..."))) + r"[ ]*\n"
        for line in "\n".join(expected).rstrip().split("\n")
    )
    text = "".join(f"{line}\n" for line in "\n".join(printed).rstrip().split("\n"))
    return re.fullmatch(pattern, text) is not None


def run_page(page: str, repository: Path, directory: Path) -> list[str]:
    """Run a page's commands one after another in a copy of the repository; gives what is wrong, one text each."""
    work = directory / "calib"
    shutil.copytree(repository, work, ignore=_LEFT_OUT)
    binaries = Path(sys.executable).parent
    if (repository / ".venv").exists():
        (work / ".venv").symlink_to(repository / ".venv")  # so that `make` does not install everything anew
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CALIB_", "LC_", "PYTEST"))}
    environment = {
        **kept,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "HOME": str(directory),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "MAKEFLAGS": "--no-print-directory",
    }
    wrong = []
    code = 0
    todo = list(commands(page))
    for command, following in zip(todo, [*todo[1:], None], strict=True):
        done = subprocess.run(
            ["bash", "-c", f"(exit {code}); {command.text}"],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
            text=True,
        )
        code = done.returncode
        if code != 0 and (following is None or following.text != "echo $?"):
            wrong.append(f"line {command.line}: $ {command.text}\nended with {code}:\n{done.stdout}")
        elif command.expected and not matches(command.expected, done.stdout.splitlines()):
            shown = "\n".join(command.expected)
            wrong.append(f"line {command.line}: $ {command.text}\nshown:\n{shown}\nprinted:\n{done.stdout}")
    return wrong
