"""Datasets on disk: write in any of the formats, read back from all but csv."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from calib.dataset import stored_columns, stored_json
from calib.errors import NotADataset, UnreadableInput
from calib.files import write_atomic

if TYPE_CHECKING:
    from calib.dataset.model import Dataset, Range

_WRITERS: Final[dict[str, Callable[[Dataset, BinaryIO], None]]] = {
    "json": stored_json.write,
    "parquet": stored_columns.write_parquet,
    "csv": stored_columns.write_csv,
    "arrow": stored_columns.write_arrow,
}
_MAKE: Final = "`calib aggregate` makes a dataset from feeds; give the .json, .parquet or .arrow file that it wrote"


def dataset_name(span: Range) -> str:
    """Name of the dataset of that range, without a suffix.

    >>> from calib.dataset.model import Range
    >>> dataset_name(Range(from_="2025-01-01T00:00:00Z", to="2025-01-02T00:00:00Z", interval_sec=300, symbols=[]))
    'calib_20250101_000000_20250102_000000'
    """
    stamps = (datetime.fromtimestamp(ts, UTC).strftime("%Y%m%d_%H%M%S") for ts in (span.from_ts, span.to_ts))
    return "calib_{}_{}".format(*stamps)


def write_dataset(dataset: Dataset, directory: Path, formats: Sequence[str] = ("json",)) -> list[Path]:
    """Write ``directory/calib_{from}_{to}.{format}`` for each format; unchanged files are left alone.

    Parameters
    ----------
    formats
        Of ``json``, ``parquet``, ``csv`` (the intervals only) and ``arrow``.

    Returns
    -------
    list[Path]
        The paths, in the order of ``formats``.

    Raises
    ------
    UnwritableOutput
        Where the system refuses.
    """
    name = dataset_name(dataset.range)
    paths = []
    for form in dict.fromkeys(formats):
        path = directory / f"{name}.{form}"
        write_atomic(path, partial(_WRITERS[form], dataset))
        paths.append(path)
    return paths


def read_dataset(path: Path) -> Dataset:
    """Read a dataset from json, parquet or arrow; the content decides which, not the name.

    Raises
    ------
    UnreadableInput
        Where the file is missing, a directory, or cannot be opened.
    NotADataset
        Where it is something else, or was damaged or changed.
    NewerSchema
        Where a later version of calib wrote it.
    """
    match _head(path):
        case b"":
            raise NotADataset("is empty", where=str(path), hint=_MAKE)
        case head if head.startswith(b"PAR1"):
            return stored_columns.read_parquet(path)
        case head if head.startswith(b"ARROW1"):
            return stored_columns.read_arrow(path)
        case head if head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
            raise NotADataset("is compressed", where=str(path), hint="Unpack it first: calib writes datasets unpacked")
        case head if head.startswith(b"symbol,start,"):
            raise NotADataset(
                "is the csv form of a dataset, which holds the intervals alone",
                where=str(path),
                hint="Give the .json, .parquet or .arrow of the same name; `calib aggregate --format json` writes it",
            )
        case head if head.lstrip().startswith(b"{"):
            return stored_json.read(path)
        case _:
            raise NotADataset("is no calib dataset", where=str(path), hint=_MAKE)


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise UnreadableInput("is a directory, not a dataset", where=str(path), hint="Give the files in it by name")
    if path.exists() and not path.is_file():
        raise UnreadableInput("is no regular file", where=str(path), hint="Save it as a file first: it is read twice")
    try:
        with path.open("rb") as handle:
            return handle.read(64)
    except FileNotFoundError:
        raise UnreadableInput(
            "does not exist", where=str(path), hint="Check the path; `calib aggregate` prints the paths that it writes"
        ) from None
    except OSError as error:
        raise UnreadableInput(
            f"cannot be opened: {error.strerror or error}", where=str(path), hint="Check the path and its permissions"
        ) from error
