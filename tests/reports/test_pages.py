"""The pages in a real Chromium: nothing loaded or said, nothing cut, readable in light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calib.dataset.columns import NUMBERS
from calib.evaluation.dataset_diff import diff_datasets
from calib.evaluation.readiness import Readiness, TickFigures
from calib.reports.dataset_diff import diff_report
from calib.reports.files import RenderedReport
from calib.reports.readiness import readiness_report
from calib.reports.render import summary_report
from calib.reports.summary import summarise
from tests.browser import CHROMIUM, Browser, browser
from tests.reports.test_summary import dataset, handmade, row

PUBLISHED = Path(__file__).resolve().parents[2] / "reports"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")

HOSTILE = ["<img src=x onerror=alert(1)>", "`|*_[x](http://x)", "\u202eAB", "{{7*7}}", "W" * 64, "' onclick='x"]
# Every SVG text within its picture, both as drawn.
_CUT = """
[...document.querySelectorAll('figure svg')].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
      box.bottom > frame.bottom + 1;
  }).map(text => text.textContent);
})
"""


def _many() -> RenderedReport:
    rows = [row(f"S{n:03}", slot, fills=3, net_bps=n - 250.0, notional=9.0) for n in range(500) for slot in (0, n % 23)]
    unique = {(each["symbol"], each["start_ts"]): each for each in rows}
    return summary_report(summarise("many", dataset(list(unique.values()))))


def _hostile() -> RenderedReport:
    numbers = {column.name: 1.5 for column in NUMBERS}
    rows = [row(name, slot, **(numbers | {"net_bps": slot - 9.0}), fills=2) for name in HOSTILE for slot in range(20)]
    gone = [(name, 21, ["low_ticks", "<b>"]) for name in HOSTILE]
    made = dataset(rows, gone)
    return summary_report(summarise('<script>"x"</script>', made), made, "<script>")


REPORTS: dict[str, Callable[[], RenderedReport]] = {
    "handmade": lambda: summary_report(summarise("handmade", handmade())),
    "empty": lambda: summary_report(summarise("empty", dataset([]))),
    "one row": lambda: summary_report(summarise("one", dataset([row("A", 0, net_bps=1.0, fills=1)]))),
    "all null": lambda: summary_report(summarise("null", dataset([row("A", slot) for slot in range(24)]))),
    "500 symbols": _many,
    "hostile": _hostile,
    "ready": lambda: readiness_report("<feeds>", Readiness((), TickFigures(0, False, *[None] * 5), ("A <note>.",))),
    "diff": lambda: diff_report("<a>", "b", diff_datasets(handmade(), dataset([row("A", 3, net_bps=1.0)])), 0.1),
}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.mark.parametrize("name", REPORTS)
def test_a_page_is_readable_everywhere(name: str, chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(REPORTS[name]().page(), "utf-8")
    check_page(chromium, path)


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.html")), ids=lambda path: path.stem.partition("_2025")[0])
def test_a_published_page_is_readable_everywhere(path: Path, chromium: Browser) -> None:
    check_page(chromium, path)


def check_page(chromium: Browser, path: Path) -> None:
    """Light and dark, wide and narrow: nothing said, requested, cut, or hard to read."""
    for width in (390, 1440):
        for dark in (False, True):
            chromium.open(path, width=width, dark=dark)
            assert chromium.said == []
            assert chromium.asked == [path.as_uri()]
            assert chromium.sideways() <= 0
            ratio, text = chromium.least_contrast()
            assert ratio >= 4.5, text
            assert chromium.value("document.querySelectorAll('script, [onerror], [onclick], iframe').length") == 0
            assert chromium.value(_CUT) == []
    assert chromium.value("document.querySelector('p.verdict').textContent.length") > 10


_PRINTED_CUT = """
[...document.querySelectorAll('table, figure svg, pre, p')].filter(
  one => one.getBoundingClientRect().right > innerWidth + 1).map(one => one.textContent.slice(0, 60))
"""


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.html")), ids=lambda path: path.stem.partition("_2025")[0])
def test_a_published_page_can_be_printed(path: Path, chromium: Browser, tmp_path: Path) -> None:
    chromium.print_layout(path)
    assert chromium.sideways() <= 0
    assert chromium.value(_PRINTED_CUT) == []
    assert chromium.value(_CUT) == []
    assert chromium.least_contrast()[0] >= 4.5
    assert chromium.value("getComputedStyle(document.querySelector('nav')).display") == "none"
    chromium.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_dark_and_light_differ_and_follow_the_reader(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(REPORTS["handmade"]().page(), "utf-8")
    shades = []
    for dark in (False, True):
        chromium.open(path, width=800, dark=dark)
        shades.append(chromium.value("getComputedStyle(document.body).backgroundColor"))
    assert shades == ["rgb(255, 255, 255)", "rgb(17, 17, 17)"]
