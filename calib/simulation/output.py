"""Where simulated feeds end up: in a directory that holds them alone, and a record of what they are.

Simulated lines beside a live bot's would make a dataset of both that nobody could tell apart. So a directory with feeds
of any other origin is refused.
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
        How many lines it holds, hostile ones included.
    sha256
        Of its lines, decompressed: compressors of different versions differ.
    """

    file: str
    lines: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a simulation left behind.

    Parameters
    ----------
    directory
        Where.
    files
        The feed files, by name.
    changed, removed
        Names of those that are new or other than before, and of earlier simulated ones that are gone.
    """

    directory: Path
    files: tuple[FeedFile, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def lines(self, kind: str) -> int:
        """Lines of one feed over all days."""
        return sum(file.lines for file in self.files if file.file.startswith(f"{kind}_"))


def simulate(
    plan: SimulationPlan,
    directory: Path,
    *,
    force: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> Simulated:
    """Simulate into a feed directory, which afterwards holds exactly the plan's feeds.

    Files of an earlier simulation are replaced, or removed where this plan does not write them; equal ones are left
    alone.

    Parameters
    ----------
    plan
        What to simulate.
    directory
        The feed directory; made where it is missing.
    force
        Replace feeds of other origin where they stand in the way.
    progress
        Told the number of symbols times hours done since the last call.

    Raises
    ------
    ForeignFiles
        Where the directory holds feeds that no simulation wrote, or that were changed since, and not ``force``.
    UnwritableOutput, LockHeld
        Where the directory cannot be written, or another run writes it.
    """
    make_directory(directory)
    with locked(directory), _refusals(directory):
        ours = _own_files(directory)
        foreign = sorted(feed_files(directory) - ours)
        if foreign and not force:
            raise ForeignFiles(
                f"holds feeds that no simulation wrote, or that were changed since: {_some(foreign)}",
                where=str(directory),
                hint="Give another --out, or --force to replace what stands in the way",
            )
        staging = directory / STAGING_NAME
        shutil.rmtree(staging, ignore_errors=True)  # a killed run's; nobody else works here, we hold the lock
        staging.mkdir()
        try:
            write_feeds(plan, staging, progress)
            return _move(plan, staging, directory, ours)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _move(plan: SimulationPlan, staging: Path, directory: Path, ours: set[str]) -> Simulated:
    names = sorted(path.name for path in staging.iterdir())
    obsolete = {name for name in ours if name not in names}
    obsolete |= {name for name in feed_files(directory) if name not in names and _day(name) in map(_day, names)}
    for name in obsolete:
        (directory / name).unlink()
    files = tuple(_examine(staging / name) for name in names)
    changed = [name for name in names if write_atomic(directory / name, _copier(staging / name))]
    record = {"schema": SCHEMA, **plan.described(), "files": [asdict(file) for file in files]}
    write_atomic(directory / RECORD_NAME, (json.dumps(record, indent=1, ensure_ascii=True) + "\n").encode("ascii"))
    return Simulated(directory, files, tuple(changed), tuple(sorted(obsolete)))


def _day(name: str) -> str:
    """The name without its compression: two forms of one day must not lie side by side."""
    return name.removesuffix(".gz").removesuffix(".zst")


def _copier(source: Path) -> Callable[[BinaryIO], None]:
    def copy(target: BinaryIO) -> None:
        with source.open("rb") as handle:
            shutil.copyfileobj(handle, target, _BLOCK)

    return copy


def feed_files(directory: Path) -> set[str]:
    """Names of the feed files in a directory."""
    return {path.name for path in directory.iterdir() if _FEED_FILE.fullmatch(path.name)}


def _own_files(directory: Path) -> set[str]:
    """Names of the feed files that the directory's record lists and that are still what it says."""
    try:
        record: Any = json.loads((directory / RECORD_NAME).read_bytes())
        listed = {entry["file"]: entry["sha256"] for entry in record["files"]} if record["schema"] == SCHEMA else {}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in feed_files(directory) if name in listed and _is_same(directory / name, listed[name])}


def _is_same(path: Path, sha256: str) -> bool:
    try:
        return _examine(path).sha256 == sha256
    except (OSError, EOFError, zstandard.ZstdError):
        return False


def _examine(path: Path) -> FeedFile:
    digest, lines = hashlib.sha256(), 0
    with _opened(path) as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
            lines += block.count(b"\n")
    return FeedFile(path.name, lines, digest.hexdigest())


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
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


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
