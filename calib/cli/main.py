"""The entry point: runs a command and turns every outcome into an exit code."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import stat
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from typer.exceptions import Abort, Exit, TyperException

from calib.cli import signals
from calib.cli.output import is_open, report_error, say
from calib.errors import CalibError, UnwritableOutput, UsageError

EXIT_INTERNAL = 4
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
_COLLECT_EVERY = 20_000
_LOGS_KEPT = 10
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def main() -> NoReturn:
    """Run the ``calib`` command and exit."""
    # Modules and their classes live until the end: to search them for garbage every 700 objects, as Python does by
    # default, takes a tenth of a short run.
    gc.set_threshold(_COLLECT_EVERY, *gc.get_threshold()[1:])
    code = run(sys.argv[1:])
    if is_open(sys.stdout):
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
    sys.exit(code)


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; this function never raises."""
    argv = argv or ["--help"]
    as_json = _wants_json(argv)
    command = next((word for word in argv if not word.startswith("-")), "")
    try:
        with signals.raising():
            return _invoke(argv)
    except CalibError as error:
        return _report(command, error, as_json=as_json, color=_color(argv))
    except KeyboardInterrupt:
        say("error", "interrupted")
        return EXIT_INTERRUPTED
    except signals.Terminated:
        say("error", "terminated")
        return EXIT_TERMINATED
    except Exception as error:  # last resort: users never see a traceback
        return _report(command, _explained(error, argv), as_json=as_json, color=_color(argv))


def _report(command: str, error: CalibError, *, as_json: bool, color: str) -> int:
    """Print an error if possible, and return its exit code in any case."""
    with contextlib.suppress(CalibError, OSError, ValueError):
        report_error(command, error, as_json=as_json, color=color)
    return error.exit_code


def _explained(error: Exception, argv: Sequence[str]) -> CalibError:
    """Return an unexpected error as a `CalibError`; a full or read-only disk is not an internal error."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return UnwritableOutput(
            f"cannot be written: {error.strerror}",
            where=str(error.filename or tempfile.tempdir or "the disk"),
            hint="Free some space, also for temporary files (TMPDIR), or choose another --out",
        )
    what = f"internal error: {type(error).__name__}: {error}"
    path = _crash_log(argv)
    return _Internal(
        what, hint=f"Please report it with the crash log {path}" if path else "No crash log could be written"
    )


class _Internal(CalibError):
    name = "internal"
    exit_code = EXIT_INTERNAL


def _invoke(argv: Sequence[str]) -> int:
    from calib.cli.app import app

    try:
        result: Any = app(list(argv), standalone_mode=False, prog_name="calib")
    except Exit as stop:
        return int(stop.exit_code)
    except Abort as error:
        raise KeyboardInterrupt from error
    except TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "calib"
        message = error.format_message().rstrip(".")
        raise UsageError(message, hint=f"Try '{path} --help'") from error
    if result == EXIT_INTERRUPTED:
        signals.check()  # Typer ends an interrupted command silently
    return result if isinstance(result, int) else 0


def _drop_old_logs(directory: Path) -> None:
    """Keep only the newest crash logs: a cron job that fails every minute must not fill the disk."""
    found = []
    for path in directory.glob("calib-crash-*.log"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid()):
                found.append((status.st_mtime_ns, path))
    for _, path in sorted(found)[: max(0, len(found) - _LOGS_KEPT + 1)]:
        with contextlib.suppress(OSError):
            path.unlink()


def _wants_json(argv: Sequence[str]) -> bool:
    """Whether ``--output json`` was given, also if the command line cannot be parsed."""
    pairs = zip(argv, [*argv[1:], ""], strict=False)  # without arguments the second is longer
    return any(word == "--output=json" or (word == "--output" and value == "json") for word, value in pairs)


def _color(argv: Sequence[str]) -> str:
    for mode in ("always", "never"):
        if f"--color={mode}" in argv or ("--color" in argv and mode in argv):
            return mode
    return "auto"


def _crash_log(argv: Sequence[str]) -> str:
    """Write the traceback, readable by its owner only; return the path, empty if no directory is writable."""
    try:
        _drop_old_logs(Path(tempfile.gettempdir()))
        descriptor, path = tempfile.mkstemp(prefix="calib-crash-", suffix=".log")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as handle:
            handle.write(f"calib {' '.join(argv)}\n\n{traceback.format_exc()}")
    except OSError:
        return ""
    return path
