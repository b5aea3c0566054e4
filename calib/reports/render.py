"""Reports as files: a dataset or its path in, a Markdown report out."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from calib.dataset.model import Dataset
from calib.dataset.naming import name_of
from calib.dataset.store import read_dataset
from calib.files import write_atomic
from calib.reports.sections import sections
from calib.reports.summary import WORST_CRITERION, Summary, summarise

DEFAULT_ROOT: Final = "artifacts/edge"


@dataclass(frozen=True, slots=True)
class SummaryReport:
    """A written summary: where it lies, its Markdown, and the values it was made of."""

    path: Path
    text: str
    summary: Summary


def render_summary(dataset: Dataset | Path | str, out: Path | str | None = None) -> SummaryReport:
    """Sum up a dataset and write ``out/reports/calib_summary_<dataset>.md``, as ``calib summary`` does.

    Parameters
    ----------
    dataset
        A dataset, or the path of one in json, parquet or arrow. The three forms of one dataset give the same report.
    out
        The root that holds ``reports/``; None: the root in whose ``datasets/`` the path lies, else ``artifacts/edge``.

    Raises
    ------
    UnreadableInput, NotADataset, NewerSchema
        Where the path is no dataset that this version reads.
    UnwritableOutput
        Where the report cannot be written.
    """
    if isinstance(dataset, Dataset):
        root = Path(DEFAULT_ROOT if out is None else out)
        name = name_of(dataset)
    else:
        path = Path(dataset)
        root = root_of(path) if out is None else Path(out)
        name, dataset = path.stem, read_dataset(path)
    summary = summarise(name, dataset)
    text = summary_text(summary)
    target = root / "reports" / f"calib_summary_{name}.md"
    write_atomic(target, text.encode())
    return SummaryReport(target, text, summary)


def root_of(dataset: Path, otherwise: Path | str = DEFAULT_ROOT) -> Path:
    """The root that holds a dataset: its directory's parent where that is a ``datasets/``.

    >>> root_of(Path("out/datasets/x.json")).as_posix(), root_of(Path("x.json")).as_posix()
    ('out', 'artifacts/edge')
    """
    directory = dataset.absolute().parent if dataset.parent == Path() else dataset.parent
    return directory.parent if directory.name == "datasets" else Path(otherwise)


def summary_text(summary: Summary) -> str:
    """The report as Markdown; the same summary gives the same bytes."""
    return environment().get_template("summary.md.j2").render(criterion=WORST_CRITERION, **sections(summary))


@functools.cache
def environment() -> Environment:
    """The templates of this room."""
    # Autoescaping is for HTML. Here every text from outside is a code span already (`calib.reports.markdown`).
    return Environment(
        loader=PackageLoader("calib.reports"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
