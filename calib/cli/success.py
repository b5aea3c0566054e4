"""What a job leaves for those who watch it: written only when it succeeded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from calib.errors import UnwritableOutput
from calib.files import write_atomic

LAST_SUCCESS: Final = "_last_success.json"


def write_last_success(root: Path, command: str, now: float, facts: Mapping[str, Any]) -> Path:
    """Write ``root/_last_success.json``: which command ended well, when (Unix seconds), and what it made.

    Raises
    ------
    UnwritableOutput
        Where the system refuses.
    """
    path = root / LAST_SUCCESS
    body = {"schema": "calib.last_success/1", "command": command, "ts": round(now, 3), **facts}
    write_atomic(path, json.dumps(body, indent=2).encode("utf-8") + b"\n")
    return path


def refuse_absent_directory(path: Path) -> None:
    """Refuse a text file in a directory that is not there: its collector would read another, and never find it.

    Raises
    ------
    UnwritableOutput
        Where the directory is missing.
    """
    if not path.parent.is_dir():
        raise UnwritableOutput(
            f"the directory {path.parent} is not there",
            where=f"--prom {path}",
            hint="Make it, or give the directory that the collector of the node exporter reads",
        )


def write_prom(
    path: Path, command: str, now: float, gauges: Mapping[str, tuple[str, Mapping[str, float] | float]]
) -> None:
    """Write a text file for the node exporter's textfile collector.

    Parameters
    ----------
    path
        The target, replaced whole; its name should end in ``.prom``.
    command
        Part of each name: ``calib_<command>_<gauge>``.
    now
        Unix seconds; becomes ``calib_<command>_last_success_timestamp_seconds``.
    gauges
        Name -> (what it means, its value, or its values by the label ``reason``).

    Raises
    ------
    UnwritableOutput
        Where the system refuses.
    """
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()
    name = f"calib_{command}_last_success_timestamp_seconds"
    Gauge(name, f"When calib {command} last succeeded, Unix time.", registry=registry).set(now)
    for gauge, (meaning, value) in gauges.items():
        full = f"calib_{command}_{gauge}"
        if isinstance(value, Mapping):
            labelled = Gauge(full, meaning, ["reason"], registry=registry)
            for reason, number in value.items():
                labelled.labels(reason).set(number)
        else:
            Gauge(full, meaning, registry=registry).set(value)
    refuse_absent_directory(path)
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise UnwritableOutput(
            f"cannot be written: {error.strerror or error}",
            where=str(path),
            hint="Give --prom a file in a directory that can be written",
        ) from error
