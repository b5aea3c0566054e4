"""Every command shown in the README and the docs does what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.console import Command, commands, matches, run_page

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page.relative_to(REPOSITORY).as_posix()
    for page in (REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md"))
    if "```console\n" in page.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_print_what_it_shows(page: str, tmp_path: Path) -> None:
    wrong = run_page((REPOSITORY / page).read_text(encoding="utf-8"), REPOSITORY, tmp_path)
    assert not wrong, f"{page}, " + "\n\n".join(wrong)


def test_commands_are_found_with_their_lines_and_output() -> None:
    page = "Text\n\n```console\n$ one \\\n    --more\nprinted\n\nagain\n$ two\n```\n\n```sh\n$ not this\n```\n"
    assert list(commands(page)) == [
        Command(4, "one --more", ["printed", "", "again"]),
        Command(9, "two", []),
    ]


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "b", ""], ["a", "b"], True),
        (["a", "b"], ["a"], False),
        (["a"], ["a", "b"], False),
        (["took ... s"], ["took 1.25 s"], True),
        (["took ... s"], ["took 1.25 min"], False),
        (["a", "..."], ["a", "b", "c"], True),
        (["a", "...", "d"], ["a", "b", "c"], False),
        (["...", "d"], ["d"], True),
        (["1.5 (x)"], ["1x5 (x)"], False),
    ],
)
def test_what_matches(expected: list[str], printed: list[str], same: bool) -> None:
    assert matches(expected, printed) is same


def test_what_a_page_gets_wrong_is_said(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    (repository / "sample_feeds").mkdir(parents=True)
    page = "```console\n$ ls\nsample_feeds\n$ false\n$ echo $?\n1\n$ echo two\none\n$ (exit 7)\n```\n"
    wrong = run_page(page, repository, tmp_path)
    assert [text.splitlines()[:2] for text in wrong] == [
        ["line 7: $ echo two", "shown:"],
        ["line 9: $ (exit 7)", "ended with 7:"],
    ]
