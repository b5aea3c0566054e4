"""A report's files: Markdown with separate pictures, and one self-contained HTML page."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from calib.files import write_atomic
from calib.reports.markdown_html import escaped, headings, html

ReportForm = Literal["md", "html", "both"]
_PICTURE: Final = re.compile(r"^(!\[[^\]]*\]\()([\w-]*\.svg)\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RenderedReport:
    """A report before it is written.

    Parameters
    ----------
    text
        The Markdown. A picture is on its own line: ``![title](name.svg)``.
    pictures
        SVG by file name; the name ``.svg`` alone means the report's own name.
    """

    text: str
    pictures: Mapping[str, str] = field(default_factory=dict)

    def markdown(self, stem: str) -> str:
        """Return the Markdown for a file with that stem, with its pictures in the same directory."""
        return _PICTURE.sub(lambda found: f"{found[1]}{quote(_beside(stem, found[2]), safe='')})", self.text)

    def page(self) -> str:
        """Return the report as one self-contained HTML page; equal reports yield equal bytes."""
        title, _, rest = self.text.partition("\n")
        links = "".join(f'<a href="#{anchor}">{escaped(name)}</a>\n' for anchor, name in headings(rest))
        nav = f'<nav aria-label="Sections">\n{links}</nav>' if links else ""
        body = f"{html(title)}\n{_with_contents(html(rest, self.pictures), nav)}"
        plain = title.removeprefix("# ").replace("`", "")
        return page_environment().get_template("page.html.j2").render(title=plain, body=Markup(body))


def write_report_files(directory: Path, stem: str, report: RenderedReport, form: ReportForm = "md") -> list[Path]:
    """Write ``stem.md`` with ``stem_<picture>.svg``, or ``stem.html``, or both; returns the paths, the page last.

    Raises
    ------
    UnwritableOutput
        If a file cannot be written.
    """
    contents: dict[str, str] = {}
    if form != "html":
        contents[f"{stem}.md"] = report.markdown(stem)
        contents |= {_beside(stem, name): picture for name, picture in report.pictures.items()}
    if form != "md":
        contents[f"{stem}.html"] = report.page()
    for name, text in contents.items():
        write_atomic(directory / name, text.encode())
    return [directory / name for name in contents]


def _beside(stem: str, name: str) -> str:
    return stem + name if name.startswith(".") else f"{stem}_{name}"


def _with_contents(body: str, nav: str) -> str:
    """Insert the list of sections before the first section, so that the verdict stays at the top."""
    before, found, after = body.partition("<h2")
    return f"{before}{nav}\n{found}{after}"


@functools.cache
def page_environment() -> Environment:
    """Return the environment of HTML templates, which escapes every value."""
    return Environment(
        loader=PackageLoader("calib.reports"), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=True
    )
