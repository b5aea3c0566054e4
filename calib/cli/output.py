"""The output of a command: the result on stdout, everything else on stderr.

Text from a feed, a file name or the system is never parsed as markup. Its control characters are escaped, not sent to
the terminal.
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
    """Return the text with control characters and line breaks escaped.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    return "".join(_escaped(char) if unicodedata.category(char) in _UNPRINTABLE else char for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


@dataclass
class Session:
    """One run of a command: its settings and its output."""

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
        """Return the duration of the run so far, s."""
        return (time.monotonic_ns() - self.began_ns) / NS_PER_S

    def set_flags(self, flags: Mapping[str, Any]) -> None:
        """Set more settings from flags; None means not given."""
        given = {key: value for key, value in flags.items() if value is not None}
        self.config = self.config.with_flags(given)
        self.flags |= given

    def note(self, text: str) -> None:
        """Print a note for the user on stderr, unless ``--quiet`` is given."""
        self.notes.append(text)
        if not self.quiet:
            say("note", text, self.color)

    def detail(self, text: str) -> None:
        """Print a line on stderr with ``-v`` only."""
        if self.verbose and not self.quiet:
            say("", text, self.color)

    @contextlib.contextmanager
    def progress(self, label: str, total: float | None) -> Iterator[Callable[[float], None]]:
        """Show a progress bar on a terminal; yield a function that takes the amount done since its last call."""
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
        """Print the result and return the exit code.

        Parameters
        ----------
        data
            The JSON form of the result, for ``--output json``.
        lines
            Its text form.
        exit_code
            0, or 1 if the verdict is no.
        verdict
            With exit 1: the reason in one sentence; printed on stderr in text form.
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
    """Return the versioned JSON envelope that all commands use."""
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
    """Print an error as text on stderr, or as the envelope on stdout."""
    if as_json:
        entry = {"name": error.name, "what": error.what, "where": error.where, "hint": error.hint}
        emit(envelope(command, "error", error.exit_code, None, [entry]))
        return
    place = f"{error.where}: " if error.where else ""
    say("error", f"{place}{error.what} [{error.name}]", color)
    if error.hint:
        say("hint", error.hint, color)


def emit(text: str) -> None:
    """Write to stdout; a closed pipe or a closed stdout is not an error.

    Raises
    ------
    UnwritableOutput
        If stdout cannot be written, such as on a full disk.
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
            hint="The command itself has completed; free some space, or redirect its output elsewhere",
        ) from error


def encodable(text: str, stream: TextIO) -> str:
    """Return the text with the characters escaped that the stream cannot encode, such as on an ASCII terminal."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def is_open(stream: TextIO | None) -> bool:
    """Whether the stream exists and is not closed."""
    return stream is not None and not stream.closed


def _silence(stream: TextIO) -> None:
    """Redirect the stream to the null device, because the interpreter flushes it again at exit and would fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(kind: str, text: str, color: str = "auto") -> None:
    """Print one line on stderr, ``kind: text``."""
    if not is_open(sys.stderr):
        return
    label = f"{kind}: " if kind else ""
    if label and _coloured(sys.stderr, color):
        label = f"\x1b[{_COLOURS.get(kind, '0')}m{label}\x1b[0m"
    try:
        sys.stderr.write(encodable(f"{label}{_wrapped(printable(text), sys.stderr)}\n", sys.stderr))
        sys.stderr.flush()
    except OSError:  # closed, or the disk is full: the exit code still reports it
        _silence(sys.stderr)


def _wrapped(text: str, stream: TextIO) -> str:
    """Wrap the text between words to the width of the terminal; unchanged if the stream is not a terminal."""
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
