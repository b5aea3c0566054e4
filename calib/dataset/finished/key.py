"""Hash everything besides its content that determines the rows of a file: the parameters and the code."""

from __future__ import annotations

import functools
import hashlib
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

import calib
from calib._version import __version__
from calib.dataset.grid import Grid
from calib.feeds.reading.days import DayFile

_ROOMS: Final = ("dataset", "feeds", "recorded", "market", "engines", "storage")
"""Packages whose code affects the rows: markouts come from the order book of `calib.market`."""


def key_of(file: DayFile, grid: Grid, sums: Any) -> str:
    """Return the sha256 of the file's directory and name, the grid, the parameters of the sums and the code, as hex.

    Parameters
    ----------
    sums
        A `calib.dataset.intervals.Summation` that is a dataclass whose fields are all of its parameters.
    """
    parts = {
        "directory": str(file.local.parent.resolve()).encode("utf-8", "surrogateescape").hex(),
        "file": file.name,
        "interval_sec": grid.interval_sec,
        "kind": sums.kind,
        "columns": list(sums.lines),
        "params": msgspec.to_builtins(sums),
        "code": code_version(),
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


@functools.cache
def code_version() -> str:
    """Return the sha256 of the versions of calib, polars and arro3 and of the source code, as hex.

    Any change of the code makes all entries invalid.
    """
    versions = __version__, pl.__version__, metadata.version("arro3-io")
    digest = hashlib.sha256(" ".join(versions).encode())
    root = Path(calib.__file__).parent
    for path in sorted(path for room in _ROOMS for path in (root / room).rglob("*.*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()
