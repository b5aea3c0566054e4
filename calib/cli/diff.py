"""``calib diff``: compare two datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calib.cli.command import command
from calib.cli.output import Session
from calib.cli.report_options import Format, Open, ReportFormat, form_of, open_report
from calib.errors import UsageError
from calib.feeds.settings import SETTINGS


@command(
    "diff",
    example="calib diff datasets/calib_20250101_000000_20250102_000000.json datasets/other.json --tolerance 0.05",
    settings=[SETTINGS["out"]],
)
def diff(
    session: Session,
    a: Annotated[Path, typer.Argument(metavar="A", help="The earlier dataset: json, parquet or arrow.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The later dataset.")],
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", metavar="X", help="Accepted relative difference, e.g. 0.05; 0: none."),
    ] = 0.0,
    format_: Format = ReportFormat.MD,
    open_: Open = False,
) -> int:
    """Compare two datasets: ranges, filters, counts, shift of each column, intervals in only one of them.

    Writes reports/calib_diff_A_B.md below --out. Exit 1 if they differ by more than --tolerance: in the share of
    intervals in only one of them, in the relative shift of a median, or in a column's share without a value.
    """
    if not 0 <= tolerance < float("inf"):
        raise UsageError(f"--tolerance {tolerance:g} is out of range", hint="Give a number of at least 0")
    from calib.dataset.store import read_dataset
    from calib.evaluation.dataset_diff import diff_datasets
    from calib.reports.dataset_diff import diff_counts_line, diff_report, diff_verdict
    from calib.reports.files import write_report_files

    found = diff_datasets(read_dataset(a), read_dataset(b))
    report = diff_report(a.stem, b.stem, found, tolerance)
    form = form_of(format_, open_)
    directory = Path(session.config["out"]) / "reports"
    paths = write_report_files(directory, f"calib_diff_{a.stem}_{b.stem}", report, form.value)
    if open_:
        open_report(session, paths)
    verdict = diff_verdict(found, tolerance)
    lines = [*map(str, paths), f"  {verdict}", f"  {diff_counts_line(found)}"]
    past = found.past(tolerance)
    data = found.as_data() | {"a": str(a), "b": str(b), "tolerance": tolerance, "files": [str(path) for path in paths]}
    return session.finish(data, lines, exit_code=int(past), verdict=f"the datasets differ: {verdict}" if past else "")
