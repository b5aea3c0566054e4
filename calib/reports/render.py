"""Renders the summary of a dataset as Markdown or an HTML page."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from calib.dataset.model import Dataset
from calib.dataset.naming import name_of
from calib.dataset.store import read_dataset
from calib.reports.dataset_diff import drift_report
from calib.reports.files import RenderedReport, ReportForm, write_report_files
from calib.reports.sections import sections
from calib.reports.summary import WORST_CRITERION, Summary, summarise
from calib.reports.summary_pictures import summary_pictures

DEFAULT_ROOT: Final = "artifacts/edge"


@dataclass(frozen=True, slots=True)
class SummaryReport:
    """A written summary.

    Parameters
    ----------
    path
        Path of the Markdown, or of the page if only that was written.
    text
        The Markdown; its pictures are separate files in the same directory.
    summary
        The values of the summary.
    paths
        Every written file.
    """

    path: Path
    text: str
    summary: Summary
    paths: list[Path] = field(default_factory=list)


def render_summary(
    dataset: Dataset | Path | str,
    out: Path | str | None = None,
    *,
    form: ReportForm = "md",
    against: Dataset | Path | str | None = None,
) -> SummaryReport:
    """Summarise a dataset and write ``out/reports/calib_summary_<dataset>.md``, as ``calib summary`` does.

    Parameters
    ----------
    dataset
        A dataset, or the path of one in json, parquet or arrow. All three formats yield the same report.
    out
        The root of ``reports/``; None uses the parent of the dataset's ``datasets/``, else ``artifacts/edge``.
    form
        ``md`` (with separate SVG pictures), ``html`` (one self-contained page), or ``both``.
    against
        An older dataset; the report then shows the drift of each column.

    Raises
    ------
    UnreadableInput, NotADataset, NewerSchema
        If the path is not a dataset that this version can read.
    UnwritableOutput
        If the report cannot be written.
    """
    if out is not None:
        root = Path(out)
    else:
        root = Path(DEFAULT_ROOT) if isinstance(dataset, Dataset) else root_of(Path(dataset))
    name, dataset = _named(dataset)
    old_name, old = (None, None) if against is None else _named(against)
    summary = summarise(name, dataset)
    report = summary_report(summary, old, old_name or "")
    stem = f"calib_summary_{name}"
    paths = write_report_files(root / "reports", stem, report, form)
    return SummaryReport(paths[0], report.markdown(stem), summary, paths)


def summary_report(summary: Summary, against: Dataset | None = None, against_name: str = "") -> RenderedReport:
    """Return the report with its pictures; equal summaries yield equal bytes."""
    pictures = summary_pictures(summary)
    drift = ""
    if against is not None:
        drift, more = drift_report(summary.dataset, against, against_name)
        pictures |= more
    said = sections(summary, pictures, drift)
    text = environment().get_template("summary.md.j2").render(criterion=WORST_CRITERION, **said)
    return RenderedReport(text, pictures)


def root_of(dataset: Path, otherwise: Path | str = DEFAULT_ROOT) -> Path:
    """Return the root of a dataset: the parent of its directory if that is named ``datasets``, else ``otherwise``.

    >>> root_of(Path("out/datasets/x.json")).as_posix(), root_of(Path("x.json")).as_posix()
    ('out', 'artifacts/edge')
    """
    directory = dataset.absolute().parent if dataset.parent == Path() else dataset.parent
    return directory.parent if directory.name == "datasets" else Path(otherwise)


def summary_text(summary: Summary) -> str:
    """Return the report as Markdown; equal summaries yield equal bytes."""
    return summary_report(summary).text


def _named(dataset: Dataset | Path | str) -> tuple[str, Dataset]:
    if isinstance(dataset, Dataset):
        return name_of(dataset), dataset
    return Path(dataset).stem, read_dataset(Path(dataset))


@functools.cache
def environment() -> Environment:
    """Return the environment of the Markdown templates."""
    # Autoescaping is for HTML. Text from outside is already in code spans (`calib.reports.markdown`).
    return Environment(
        loader=PackageLoader("calib.reports"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
