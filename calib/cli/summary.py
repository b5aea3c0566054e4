"""``calib summary``: a readable summary of a dataset, as Markdown or HTML."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib.cli import options, success
from calib.cli.command import command
from calib.cli.output import Session
from calib.cli.report_options import Format, Open, ReportFormat, form_of, open_report
from calib.errors import UnreadableInput, UsageError
from calib.feeds.settings import SETTINGS
from calib.storage import ObjectPath, Place, local_copy, place_of

if TYPE_CHECKING:
    from calib.metrics.text_file import JobResult
    from calib.reports.render import SummaryReport

_READABLE = (".json", ".parquet", ".arrow")


@command(
    "summary",
    example="calib summary artifacts/edge/datasets/calib_20250101_000000_20250103_000000.json",
    settings=[SETTINGS["out"]],
    urls=True,
)
def summary(
    session: Session,
    datasets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DATASET", help="Datasets, or their URLs: json, parquet or arrow. Default: the newest of --out."
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="OLD", help="An older dataset: show the drift of each column.")
    ] = None,
    format_: Format = ReportFormat.MD,
    open_: Open = False,
    prom: options.Prom = None,
) -> int:
    """Summarise datasets: verdict, alerts, distributions, missing data, data quality, provenance.

    Writes reports/calib_summary_DATASET.md for each, into the root of the dataset, or below --out if it is given;
    for a dataset given by URL, below a directory that --out names. Exit 1 if one of them is not usable.
    """
    from calib.reports.render import render_summary

    out = place_of(session.config["out"], "--out")
    paths = [place_of(text) for text in datasets] if datasets else [_newest(out / "datasets", session)]
    roots = [_root(path, out, session) for path in paths]
    _refuse_clashes(list(zip(paths, roots, strict=True)))
    older = None if against is None else place_of(against, "--against")

    data: list[dict[str, Any]] = []
    lines: list[str] = []
    unusable: list[str] = []
    reports: list[SummaryReport] = []
    for path, root in zip(paths, roots, strict=True):
        with contextlib.ExitStack() as copies:
            local = copies.enter_context(local_copy(path))
            old = None if older is None else copies.enter_context(local_copy(older))
            report = render_summary(local, root, form=form_of(format_, open_).value, against=old)
        if open_:
            open_report(session, report.paths)
        reports.append(report)
        data.append(_data(path, report))
        lines += _digest(report)
        if not report.summary.verdict.usable:
            unusable.append(f"{path}: {report.summary.verdict.reason}")
    if not unusable:
        success.write_prom(prom, session, _result(reports))
    verdict = f"not usable: {'; '.join(unusable)}" if unusable else ""
    return session.finish({"reports": data}, lines, exit_code=1 if unusable else 0, verdict=verdict)


def _root(path: Place, out: Place, session: Session) -> Path:
    """Where the report of a dataset goes.

    Raises
    ------
    UsageError
        Where that is a URL: reports are written to directories.
    """
    from calib.reports.render import root_of

    if isinstance(out, Path):
        return out if session.flags.get("out") or not isinstance(path, Path) else root_of(path, out)
    raise UsageError(
        f"reports are written to a directory, and --out is {out}",
        hint="Name the dataset by its URL, and give --out a directory",
    )


def _newest(directory: Place, session: Session) -> Place:
    """Return the newest dataset."""
    if isinstance(directory, ObjectPath):
        raise UsageError("no dataset given", hint=f"Give the URL of one of {directory}, and --out a directory")
    try:
        found = [path for path in directory.iterdir() if path.suffix in _READABLE and not path.name.startswith(".")]
        newest = max(found, key=lambda path: (path.stat().st_mtime_ns, path.stem, path.suffix == ".json"))
    except (OSError, ValueError):
        raise UnreadableInput(
            "contains no dataset",
            where=str(directory),
            hint="Build one with `calib aggregate`, or give a dataset",
        ) from None
    session.note(f"no dataset given; using the newest, {newest}")
    return newest


def _refuse_clashes(paths: list[tuple[Place, Path]]) -> None:
    """Reject two datasets whose reports would be the same file; each path is given with its root."""
    seen: dict[tuple[Path, str], Place] = {}
    for path, root in paths:
        other = seen.setdefault((root.absolute(), path.stem), path)
        if other is not path:
            raise UsageError(
                f"{other} and {path} would be written to the same report, calib_summary_{path.stem}.md",
                hint="Give one of them, or run the second separately with another --out",
            )


def _digest(report: SummaryReport) -> list[str]:
    from calib.reports.sections import alerts_line, money_line, target_line, verdict_line

    summary = report.summary
    texts = (line(summary) for line in (verdict_line, alerts_line, target_line, money_line))
    written = [str(path) for path in report.paths if path.suffix != ".svg"]
    return [*written, *(f"  {text}" for text in texts if text)]


def _data(path: Place, report: SummaryReport) -> dict[str, Any]:
    import msgspec

    summary = report.summary
    counts, span = summary.dataset.counts, summary.dataset.range
    return {
        "dataset": str(path),
        "report": str(report.path),
        "files": [str(each) for each in report.paths],
        "usable": summary.verdict.usable,
        "reason": summary.verdict.reason,
        "from": span.from_,
        "to": span.to,
        "symbols": len(span.symbols),
        "intervals": counts.intervals,
        "kept": counts.kept,
        "coverage": summary.coverage.ratio,
        "symbols_detail": [
            {"symbol": row.symbol, "coverage": row.coverage, "notional": row.notional, "pnl_mid": row.pnl_mid}
            for row in summary.symbols
        ],
        "critical": summary.critical,
        "warnings": summary.warnings,
        "alerts": msgspec.to_builtins(summary.alerts),
        "distributions": msgspec.to_builtins(summary.distributions),
    }


def _result(reports: list[SummaryReport]) -> JobResult:
    """Return the result for the text file of ``--prom``."""
    from calib.metrics.text_file import JobResult, added, share

    summaries = [report.summary for report in reports]
    counts = [summary.dataset.counts for summary in summaries]
    intervals = sum(each.intervals for each in counts)
    covered = [summary.coverage for summary in summaries]
    coverage = share(sum(each.with_data for each in covered), sum(each.of_range for each in covered))
    kept = share(sum(each.kept for each in counts), intervals)
    return JobResult(intervals, added(each.dropped for each in counts), kept, coverage)
