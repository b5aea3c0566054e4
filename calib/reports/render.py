"""Summaries as files: a dataset or its path in; Markdown, or one HTML page, out."""

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
        Where it lies: the Markdown, or the page where only that was written.
    text
        Its Markdown; its pictures lie beside it where it was written.
    summary
        The values it was made of.
    paths
        Every file that was written.
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
    """Sum up a dataset and write ``out/reports/calib_summary_<dataset>.md``, as ``calib summary`` does.

    Parameters
    ----------
    dataset
        A dataset, or the path of one in json, parquet or arrow. The three forms of one dataset give the same report.
    out
        The root that holds ``reports/``; None: the root in whose ``datasets/`` the path lies, else ``artifacts/edge``.
    form
        ``md`` (with its pictures as SVG beside it), ``html`` (one page that loads nothing), or ``both``.
    against
        An older dataset: the report says how each column drifted since.

    Raises
    ------
    UnreadableInput, NotADataset, NewerSchema
        Where the path is no dataset that this version reads.
    UnwritableOutput
        Where the report cannot be written.
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
    """The report with its pictures; the same summary gives the same bytes."""
    pictures = summary_pictures(summary)
    drift = ""
    if against is not None:
        drift, more = drift_report(summary.dataset, against, against_name)
        pictures |= more
    said = sections(summary, pictures, drift)
    text = environment().get_template("summary.md.j2").render(criterion=WORST_CRITERION, **said)
    return RenderedReport(text, pictures)


def root_of(dataset: Path, otherwise: Path | str = DEFAULT_ROOT) -> Path:
    """The root that holds a dataset: its directory's parent where that is a ``datasets/``.

    >>> root_of(Path("out/datasets/x.json")).as_posix(), root_of(Path("x.json")).as_posix()
    ('out', 'artifacts/edge')
    """
    directory = dataset.absolute().parent if dataset.parent == Path() else dataset.parent
    return directory.parent if directory.name == "datasets" else Path(otherwise)


def summary_text(summary: Summary) -> str:
    """The report as Markdown; the same summary gives the same bytes."""
    return summary_report(summary).text


def _named(dataset: Dataset | Path | str) -> tuple[str, Dataset]:
    if isinstance(dataset, Dataset):
        return name_of(dataset), dataset
    return Path(dataset).stem, read_dataset(Path(dataset))


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
