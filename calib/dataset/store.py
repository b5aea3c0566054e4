"""Write datasets in all formats and read them from all but csv."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar, cast

from calib.dataset import stored_columns, stored_json
from calib.dataset.naming import name_of
from calib.errors import CalibError, NotADataset, UnreadableInput, WouldReplace
from calib.storage import Place, is_file, local_copy, write_whole
from calib.words import counted

if TYPE_CHECKING:
    from calib.dataset.finished.whole import WholeDataset
    from calib.dataset.model import Dataset

P = TypeVar("P", bound=Place)
_WRITERS: Final[dict[str, Callable[[Dataset, BinaryIO], None]]] = {
    "json": stored_json.write,
    "parquet": stored_columns.write_parquet,
    "csv": stored_columns.write_csv,
    "arrow": stored_columns.write_arrow,
}
_MAKE: Final = "`calib aggregate` makes a dataset from feeds; give the .json, .parquet or .arrow file that it wrote"


def write_dataset(
    dataset: Dataset,
    directory: P,
    formats: Sequence[str] = ("json",),
    *,
    replace: bool = False,
    whole: WholeDataset | None = None,
) -> list[P]:
    """Write ``directory/calib_{from}_{to}.{format}`` for each format; files with the same bytes are not rewritten.

    Settings other than the defaults add their hash to the name, see `calib.dataset.naming`. If the directory has files
    of the same name in other formats, these are written too, so that all formats have the same content.

    Parameters
    ----------
    formats
        Any of ``json``, ``parquet``, ``csv`` (intervals only) and ``arrow``.
    replace
        Whether a dataset without kept intervals may replace one with kept intervals.
    whole
        Records which files were written from this dataset before (`calib.dataset.finished.FinishedDays.whole`). Files
        that have not changed since are not written again.

    Returns
    -------
    list[Path] or list[ObjectPath]
        The written paths: the requested formats in the order of ``formats``, then the others.

    Raises
    ------
    WouldReplace
        If the dataset has no kept interval, a dataset of that name has some, and ``replace`` is false.
    UnwritableOutput
        If the file cannot be written.
    OutputChanged
        If another run wrote an object of that name at the same time.
    """
    name = name_of(dataset)
    paths: dict[str, Place] = {form: directory / f"{name}.{form}" for form in dict.fromkeys(formats)}
    paths |= {form: path for form in _WRITERS if form not in paths and is_file(path := directory / f"{name}.{form}")}
    if dataset.counts.kept == 0 and not replace:
        for form in _WRITERS:
            _refuse_loss(directory / f"{name}.{form}")
    for form, path in paths.items():
        if whole is None or not isinstance(path, Path):
            write_whole(path, partial(_WRITERS[form], dataset))
        elif not whole.stands(path):
            write_whole(path, partial(_WRITERS[form], dataset))
            whole.written(path)
    return cast("list[P]", list(paths.values()))


def _refuse_loss(path: Place) -> None:
    """Check that ``path`` is not a dataset with kept intervals.

    Raises
    ------
    WouldReplace
        If it is one.
    """
    if is_file(path) and (kept := _kept(path)):
        raise WouldReplace(
            f"has {counted(kept, 'kept interval')}, the new dataset of the same name has none, so the old one stays",
            where=str(path),
            hint="Are the feeds whole? --replace writes the new one all the same",
        )


def _kept(place: Place) -> int:
    """Return the number of kept intervals of a dataset on disk; 0 if it cannot be read."""
    try:
        with local_copy(place) as path:
            if path.suffix == ".csv":
                return max(0, path.read_bytes().count(b"\n") - 1)
            return read_dataset(path).counts.kept
    except (CalibError, OSError):
        return 0


def read_dataset(path: Path) -> Dataset:
    """Read a dataset from json, parquet or arrow. The format is detected by the content, not by the name.

    Raises
    ------
    UnreadableInput
        If the file is missing, is not a regular file, or cannot be opened.
    NotADataset
        If the file is not a dataset, or was damaged or changed.
    NewerSchema
        If a later version of calib wrote it.
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
