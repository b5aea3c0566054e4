"""Output of a simulation: a directory that holds only simulated feeds, and a record of them.

If simulated lines were in one directory with a live bot's, a dataset would mix both without a way to separate them. So
a directory with other feeds is refused.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import zstandard

from calib.errors import ForeignFiles, UnwritableOutput
from calib.feeds.schema.table import FEEDS
from calib.files import locked, make_directory, write_atomic
from calib.simulation.plan import SimulationPlan
from calib.simulation.writing import write_feeds

SCHEMA: Final = "calib.simulation/1"
RECORD_NAME: Final = "simulation.json"
STAGING_NAME: Final = ".simulating"
_FEED_FILE: Final = re.compile(rf"({'|'.join(FEEDS)})_\d{{8}}\.jsonl(\.gz|\.zst)?")
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FeedFile:
    """One feed file.

    Parameters
    ----------
    file
        Its name.
    lines
        Number of lines, including malformed ones.
    sha256
        Hash of its decompressed content: compressors differ between versions.
    """

    file: str
    lines: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """The result of a simulation.

    Parameters
    ----------
    directory
        The feed directory.
    files
        The feed files, by name.
    changed, removed
        Names of new or changed files, and of deleted files of an earlier simulation.
    """

    directory: Path
    files: tuple[FeedFile, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def lines(self, kind: str) -> int:
        """Number of lines of one feed over all days."""
        return sum(file.lines for file in self.files if file.file.startswith(f"{kind}_"))


def simulate(
    plan: SimulationPlan,
    directory: Path,
    *,
    force: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> SimulationResult:
    """Run a simulation and write it to a feed directory, which then holds exactly the feeds of the plan.

    Files of an earlier simulation are replaced, or deleted if the plan does not write them; files with equal content
    are left alone.

    Parameters
    ----------
    plan
        What to simulate.
    directory
        The feed directory; created if it is missing.
    force
        Replace feeds of other origin that have the same name.
    progress
        Receives the number of symbol-hours done since the last call.

    Raises
    ------
    ForeignFiles
        If the directory holds feeds that no simulation wrote or that were modified, and ``force`` is False.
    UnwritableOutput, LockHeld
        If the directory cannot be written, or another run uses it.
    """
    make_directory(directory)
    with locked(directory), _refusals(directory):
        ours = _own_files(directory)
        foreign = sorted(feed_files(directory) - ours)
        if foreign and not force:
            raise ForeignFiles(
                f"holds feeds that no simulation wrote or that were modified: {_first_few(foreign)}",
                where=str(directory),
                hint="Choose another --out, or use --force to replace files of the same name",
            )
        staging = directory / STAGING_NAME
        shutil.rmtree(staging, ignore_errors=True)  # left by a killed run; we hold the lock, so no run uses it
        staging.mkdir()
        try:
            write_feeds(plan, staging, progress)
            return _move(plan, staging, directory, ours)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _move(plan: SimulationPlan, staging: Path, directory: Path, ours: set[str]) -> SimulationResult:
    names = sorted(path.name for path in staging.iterdir())
    obsolete = {name for name in ours if name not in names}
    obsolete |= {name for name in feed_files(directory) if name not in names and _day(name) in map(_day, names)}
    for name in obsolete:
        (directory / name).unlink()
    files = tuple(_describe(staging / name) for name in names)
    changed = [name for name in names if write_atomic(directory / name, _copier(staging / name))]
    record = {"schema": SCHEMA, **plan.described(), "files": [asdict(file) for file in files]}
    write_atomic(directory / RECORD_NAME, (json.dumps(record, indent=1, ensure_ascii=True) + "\n").encode("ascii"))
    return SimulationResult(directory, files, tuple(changed), tuple(sorted(obsolete)))


def _day(name: str) -> str:
    """The name without its compression: a day must not have a plain and a compressed file."""
    return name.removesuffix(".gz").removesuffix(".zst")


def _copier(source: Path) -> Callable[[BinaryIO], None]:
    def copy(target: BinaryIO) -> None:
        with source.open("rb") as handle:
            shutil.copyfileobj(handle, target, _BLOCK)

    return copy


def feed_files(directory: Path) -> set[str]:
    """The names of the feed files in a directory."""
    return {path.name for path in directory.iterdir() if _FEED_FILE.fullmatch(path.name)}


def _own_files(directory: Path) -> set[str]:
    """The names of the feed files that the directory's record lists with their current content."""
    try:
        record: Any = json.loads((directory / RECORD_NAME).read_bytes())
        listed = {entry["file"]: entry["sha256"] for entry in record["files"]} if record["schema"] == SCHEMA else {}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in feed_files(directory) if name in listed and _is_same(directory / name, listed[name])}


def _is_same(path: Path, sha256: str) -> bool:
    try:
        return _describe(path).sha256 == sha256
    except (OSError, EOFError, zstandard.ZstdError):
        return False


def _describe(path: Path) -> FeedFile:
    digest, lines = hashlib.sha256(), 0
    with _open_decompressed(path) as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
            lines += block.count(b"\n")
    return FeedFile(path.name, lines, digest.hexdigest())


@contextlib.contextmanager
def _open_decompressed(path: Path) -> Iterator[BinaryIO]:
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        if path.suffix == ".gz":
            yield cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=raw)))
        elif path.suffix == ".zst":
            yield stack.enter_context(zstandard.ZstdDecompressor().stream_reader(raw))
        else:
            yield raw


@contextlib.contextmanager
def _refusals(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnwritableOutput(
            f"cannot be written: {error.strerror or error}",
            where=str(error.filename or directory),
            hint="Check the path, its permissions and the free space, or choose another --out",
        ) from error


def _first_few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
