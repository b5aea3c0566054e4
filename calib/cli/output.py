"""What a command prints: the result on stdout, everything else on stderr.

Text that came from a feed, a file name or the system is never read as markup, and its control characters are shown,
not sent to the terminal.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import textwrap
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from calib.clock import NS_PER_S
from calib.config import Config
from calib.errors import CalibError, UnwritableOutput

RESULT_SCHEMA: Final = "calib.result/1"
_UNPRINTABLE: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")
_COLOURS: Final = {"error": "31", "note": "36", "hint": "33"}


def printable(text: str) -> str:
    """The text with control characters and line breaks spelled out.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    return "".join(
        _spelled(char) if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char for char in text
    )


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


@dataclass
class Session:
    """One run of one command: its settings, and where its words go."""

    command: str
    config: Config
    output: str = "text"
    quiet: bool = False
    verbose: int = 0
    color: str = "auto"
    notes: list[str] = field(default_factory=list)
    flags: dict[str, Any] = field(default_factory=dict)
    """The settings that were given as flags, by key."""
    began_ns: int = field(default_factory=time.monotonic_ns)

    def elapsed_s(self) -> float:
        """How long the run has taken, s."""
        return (time.monotonic_ns() - self.began_ns) / NS_PER_S

    def set_flags(self, flags: Mapping[str, Any]) -> None:
        """Take more settings from flags; None means not given."""
        given = {key: value for key, value in flags.items() if value is not None}
        self.config = self.config.with_flags(given)
        self.flags |= given

    def note(self, text: str) -> None:
        """Something the user should know; stderr, silent with ``--quiet``."""
        self.notes.append(text)
        if not self.quiet:
            say("note", text, self.color)

    def detail(self, text: str) -> None:
        """Something for ``-v`` only."""
        if self.verbose and not self.quiet:
            say("", text, self.color)

    @contextlib.contextmanager
    def progress(self, label: str, total: float | None) -> Iterator[Callable[[float], None]]:
        """A progress bar on a terminal; the block gets a function that takes the amount done since the last call."""
        if self.quiet or not is_open(sys.stderr) or not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = Console(file=sys.stderr, markup=False, no_color=not _coloured(sys.stderr, self.color))
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(printable(label), total=total)
            yield lambda amount: bar.update(task, advance=amount)

    def finish(
        self,
        data: Any,
        lines: Sequence[str],
        *,
        exit_code: int = 0,
        verdict: str = "",
    ) -> int:
        """Print the result and give the exit code.

        Parameters
        ----------
        data
            The JSON form of the result, for ``--output json``.
        lines
            Its text form.
        exit_code
            0, or 1 where the verdict is no.
        verdict
            With exit 1: why, in one sentence; goes to stderr in text form.
        """
        status = "ok" if exit_code == 0 else "verdict-no"
        if self.output == "json":
            errors = [{"name": "verdict", "what": verdict, "where": "", "hint": ""}] if verdict else []
            emit(envelope(self.command, status, exit_code, data, errors))
        else:
            if not (self.quiet and exit_code == 0):
                emit("".join(f"{_wrapped(printable(line), sys.stdout)}\n" for line in lines))
            if verdict:
                say("error", verdict, self.color)
        return exit_code


def envelope(command: str, status: str, exit_code: int, data: Any, errors: list[dict[str, str]]) -> str:
    """The one versioned JSON envelope of every command."""
    body = {
        "schema": RESULT_SCHEMA,
        "command": command,
        "status": status,
        "exit_code": exit_code,
        "data": data,
        "errors": errors,
    }
    return json.dumps(body, ensure_ascii=True, allow_nan=False, indent=2) + "\n"


def report_error(command: str, error: CalibError, *, as_json: bool, color: str = "auto") -> None:
    """Say an error: as text on stderr, or as the envelope on stdout."""
    if as_json:
        entry = {"name": error.name, "what": error.what, "where": error.where, "hint": error.hint}
        emit(envelope(command, "error", error.exit_code, None, [entry]))
        return
    place = f"{error.where}: " if error.where else ""
    say("error", f"{place}{error.what} [{error.name}]", color)
    if error.hint:
        say("hint", error.hint, color)


def emit(text: str) -> None:
    """Write to stdout; a reader that has gone away, or a stdout that was closed before, is not an error.

    Raises
    ------
    UnwritableOutput
        Where stdout takes nothing, as on a full disk.
    """
    if not is_open(sys.stdout):
        return
    try:
        sys.stdout.write(encodable(text, sys.stdout))
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
    except OSError as error:
        _silence(sys.stdout)
        raise UnwritableOutput(
            f"stdout cannot be written: {error.strerror or error}",
            hint="The command itself has run; free some space, or send its output elsewhere",
        ) from error


def encodable(text: str, stream: TextIO) -> str:
    """The text with what the stream's encoding lacks spelled out, as on an ASCII terminal."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def is_open(stream: TextIO | None) -> bool:
    """Whether the program was started with this stream."""
    return stream is not None and not stream.closed


def _silence(stream: TextIO) -> None:
    """The interpreter flushes a stream once more at exit, and would complain."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(kind: str, text: str, color: str = "auto") -> None:
    """One line on stderr, ``kind: text``."""
    if not is_open(sys.stderr):
        return
    label = f"{kind}: " if kind else ""
    if label and _coloured(sys.stderr, color):
        label = f"\x1b[{_COLOURS.get(kind, '0')}m{label}\x1b[0m"
    try:
        sys.stderr.write(encodable(f"{label}{_wrapped(printable(text), sys.stderr)}\n", sys.stderr))
        sys.stderr.flush()
    except OSError:  # gone away, or full: the exit code still says it
        _silence(sys.stderr)


def _wrapped(text: str, stream: TextIO) -> str:
    """The text in lines of the terminal's width, broken between words; as it is where the stream is not a terminal."""
    if not is_open(stream) or not stream.isatty():
        return text
    width = max(shutil.get_terminal_size().columns, 20)
    if len(text) <= width:
        return text
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    return textwrap.fill(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )


def _coloured(stream: TextIO, color: str) -> bool:
    if color != "auto":
        return color == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR")
