"""Files for the monitoring of a job, written only if it succeeded."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from calib.errors import UnwritableOutput
from calib.files import write_atomic
from calib.storage import Place, write_whole

if TYPE_CHECKING:
    from calib.cli.output import Session
    from calib.metrics.text_file import JobResult

LAST_SUCCESS: Final = "_last_success.json"


def write_last_success(root: Place, command: str, now: float, facts: Mapping[str, Any]) -> Place:
    """Write ``root/_last_success.json``: the command that succeeded, when (Unix seconds), and its results.

    Raises
    ------
    UnwritableOutput
        If the file cannot be written.
    """
    path = root / LAST_SUCCESS
    body = {"schema": "calib.last_success/1", "command": command, "ts": round(now, 3), **facts}
    write_whole(path, json.dumps(body, indent=2).encode("utf-8") + b"\n")
    return path


def refuse_absent_directory(path: Path | None) -> Path | None:
    """Return the path of a text file, whose directory must exist, because the collector would not find a new one.

    Raises
    ------
    UnwritableOutput
        If the directory is missing.
    """
    if path is not None and not path.parent.is_dir():
        raise UnwritableOutput(
            f"the directory {path.parent} does not exist",
            where=f"--prom {path}",
            hint="Create it, or give the directory that the collector of the node exporter reads",
        )
    return path


def write_prom(path: Path | None, session: Session, result: JobResult) -> None:
    """Write the text file of ``--prom`` for the node exporter's textfile collector, atomically.

    Parameters
    ----------
    path
        The target; the exporter reads names that end in ``.prom``. None if the option was not given.
    session
        The run, with its command and start time.
    result
        Its result.

    Raises
    ------
    UnwritableOutput
        If the file cannot be written.
    """
    if path is None:
        return
    from calib.metrics.text_file import job_text

    text = job_text(session.command, result, now=time.time(), duration_s=session.elapsed_s())
    refuse_absent_directory(path)
    try:
        write_atomic(path, text)
    except UnwritableOutput as error:
        raise UnwritableOutput(
            error.what, where=error.where, hint="Give --prom a file in a writable directory"
        ) from error
