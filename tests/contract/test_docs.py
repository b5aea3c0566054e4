"""The documentation says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import calib.errors
from calib.errors import CalibError, all_errors
from tools.generate_docs import GENERATORS, ROOT, errors, filled, stale
from tools.generate_docs import PAGES as WHOLE

PAGES = sorted(ROOT.glob("docs/**/*.md"))


def test_every_generated_part_is_current() -> None:
    assert stale() == [], "run `make docs`"


def test_every_generator_has_its_place() -> None:
    named = {name for page in PAGES for name in re.findall(r"<!-- generated: ([\w-]+) -->", page.read_text("utf-8"))}
    assert named == set(GENERATORS)
    assert all((ROOT / page).is_file() for page in WHOLE)


def test_a_stale_part_is_seen(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "page.md"
    page.write_text("before\n<!-- generated: alerts -->\nold\n<!-- end: alerts -->\nafter\n")
    assert stale(tmp_path) == [page]
    page.write_text(filled(page.read_text("utf-8")), "utf-8")
    assert stale(tmp_path) == []
    assert page.read_text("utf-8").startswith("before\n<!-- generated: alerts -->\n\n| alert |")
    assert page.read_text("utf-8").endswith("|\n\n<!-- end: alerts -->\nafter\n")


def test_a_part_that_nothing_makes_is_refused() -> None:
    with pytest.raises(KeyError):
        filled("<!-- generated: nonsense -->\n<!-- end: nonsense -->\n")


def test_every_error_is_listed_and_drawn() -> None:
    listed = dict(re.findall(r"^\| `([\w-]+)` \| \d+ \| `(\w+)` \|", errors(), re.MULTILINE))
    drawing = calib.errors.__doc__ or ""
    assert {kind.name for kind in all_errors() if kind.__module__ == "calib.errors"} == {*listed, CalibError.name}
    for kind in listed.values():
        assert re.search(rf"-- {kind}\b", drawing), f"{kind} is not drawn in calib/errors.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
