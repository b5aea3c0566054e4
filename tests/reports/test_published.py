"""The reports that the repository shows are those that the commands write today."""

from __future__ import annotations

import re

import pytest

from tools.generate_reports import PARTS, ROOT, TARGET, made

_STEMS = {
    "summary": "calib_summary_",
    "ab": "ab_run_",
    "replay": "replay_",
    "simulate": "simulate_",
    "markout": "markout_",
    "fit": "fit_",
}


@pytest.mark.parametrize("part", PARTS)
def test_a_published_report_is_current(part: str) -> None:
    current = made([part])
    stored = {path.name: path.read_bytes() for path in TARGET.glob(f"{_STEMS[part]}*")}
    assert sorted(current) == sorted(stored), "run `make reports`"
    assert [name for name in current if current[name] != stored[name]] == [], "run `make reports`"


def test_every_published_file_belongs_to_a_report() -> None:
    names = [path.name for path in TARGET.iterdir()]
    assert [name for name in names if not name.startswith(tuple(_STEMS.values()))] == []


def test_a_page_of_the_sample_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in TARGET.glob("*.html")}
    assert len(sizes) == len(PARTS)
    assert max(sizes.values()) < 300_000


def test_every_picture_that_a_text_shows_is_there() -> None:
    texts = [*TARGET.glob("*.md"), ROOT / "README.md"]
    shown = [(text, name) for text in texts for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text.read_text("utf-8"))]
    assert any(text.name == "README.md" for text, _ in shown)
    assert [name for text, name in shown if not (text.parent / name).is_file()] == []
