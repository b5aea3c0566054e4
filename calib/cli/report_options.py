"""Options of all commands that write a report: its forms, and whether to open it."""

from __future__ import annotations

import enum
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from calib.cli.output import Session


class ReportFormat(enum.StrEnum):
    """Forms of a report on disk."""

    MD = "md"
    HTML = "html"
    BOTH = "both"


Format = Annotated[
    ReportFormat, typer.Option("--format", help="Form of the report: Markdown with pictures, one HTML page, or both.")
]
Open = Annotated[bool, typer.Option("--open", help="Open the report in a browser; also writes the HTML page.")]


def form_of(format_: ReportFormat, open_: bool) -> ReportFormat:
    """Return the form to write; ``--open`` adds the page."""
    return ReportFormat.BOTH if open_ and format_ is ReportFormat.MD else format_


def open_report(session: Session, paths: Sequence[Path]) -> None:
    """Open the page among the written files; without a browser, print its path."""
    for path in paths:
        if path.suffix == ".html" and not webbrowser.open(path.resolve().as_uri()):
            session.note(f"no browser found; open {path} yourself")
