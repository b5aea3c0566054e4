"""One file through the checker: comments that allow, fingerprints, files that are not Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.policy.checker import Finding, check_file, check_source, run
from tests.policy.checker.shapes_wrong import WRONG

SOURCE = """\
from functools import cache


class Bot:
    @cache
    def get_balance(self, exchange):
        return exchange.fetch_balance()
"""


def one(source: str) -> Finding:
    (finding,) = check_source(source, "bot.py").findings
    return finding


def test_a_finding_says_where_it_is() -> None:
    finding = one(SOURCE)
    assert (finding.rule, finding.line, finding.column, finding.scope) == ("CAL101", 5, 6, "Bot.get_balance")


def test_an_allow_with_a_reason_covers_its_line() -> None:
    source = SOURCE.replace("    @cache\n", "    @cache  # calib: allow[CAL101] shown on a page only\n")
    result = check_source(source)
    assert [finding.suppressed for finding in result.findings] == ["shown on a page only"]
    assert [allow.problem for allow in result.allows] == [""]


def test_an_allow_alone_on_its_line_covers_the_next_statement() -> None:
    source = SOURCE.replace("    @cache\n", "    # calib: allow[CAL103, cal101] shown on a page only\n\n    @cache\n")
    assert one(source).suppressed == "shown on a page only"


def test_an_allow_without_a_reason_allows_nothing() -> None:
    result = check_source(SOURCE.replace("    @cache\n", "    @cache  # calib: allow[CAL101]\n"))
    assert [finding.suppressed for finding in result.findings] == [""]
    assert "reason" in result.allows[0].problem


def test_an_allow_of_another_rule_is_told_as_unused() -> None:
    result = check_source(SOURCE.replace("    @cache\n", "    @cache  # calib: allow[CAL104] no\n"))
    assert [finding.suppressed for finding in result.findings] == [""]
    assert "no effect: no finding" in result.allows[0].problem


def test_a_text_that_looks_like_an_allow_is_none() -> None:
    source = SOURCE + '\nTEXT = "# calib: allow[CAL101] no"\n'
    assert check_source(source).allows == ()


def test_the_fingerprint_stays_when_lines_are_added_above() -> None:
    moved = "import os\n\n" + SOURCE
    assert one(moved).fingerprint == one(SOURCE).fingerprint
    assert one(moved).line == one(SOURCE).line + 2


def test_equal_lines_have_fingerprints_of_their_own() -> None:
    source = "def read(cache):\n    a = cache.get('balance')\n    a = cache.get('balance')\n    return a\n"
    marks = [finding.fingerprint for finding in check_source(source).findings]
    assert len(marks) == len(set(marks)) == 2


@pytest.mark.parametrize("broken", ["def f(:\n", "x = 1\n  y = 2\n", "a\0b", "print 'x'\n", "(" * 500])
def test_what_is_not_python_is_an_error_and_no_finding(broken: str) -> None:
    result = check_source(broken)
    assert result.error
    assert result.findings == ()


def test_a_file_in_a_declared_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bot.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\n# \xe9\n" + SOURCE.encode().replace(b"\n", b"\r\n"))
    assert [finding.rule for finding in check_file(path, "bot.py").findings] == ["CAL101"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"# -*- coding: nothing -*-\n", "é".encode("latin-1")])
def test_a_file_of_no_known_encoding_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bot.py"
    path.write_bytes(content)
    assert check_file(path, "bot.py").error


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    assert check_file(tmp_path / "none.py", "none.py").error


@given(st.sampled_from([source for _, source in WRONG.values()]), st.integers(0, 10_000), st.integers(0, 200))
def test_a_damaged_program_never_raises(source: str, at: int, length: int) -> None:
    start = at % len(source)
    check_source(source[:start] + source[start + length :])


@given(st.sampled_from([source for _, source in WRONG.values()]), st.integers(0, 30))
def test_comments_and_blank_lines_above_change_only_the_lines(source: str, count: int) -> None:
    moved = check_source("# a comment\n" * count + source).findings
    assert [(each.rule, each.line - count, each.fingerprint) for each in moved] == [
        (each.rule, each.line, each.fingerprint) for each in check_source(source).findings
    ]


def test_several_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / f"bot_{number}.py" for number in range(60)]
    for path in files:
        path.write_text(f"# calib: allow[CAL999] nothing\n{SOURCE}")
    alone = run.check_paths(files, jobs=1)
    monkeypatch.setattr(run, "_WORTH_PROCESSES", 1)
    told: list[float] = []
    assert run.check_paths(files, jobs=2, advance=told.append) == alone
    assert sum(told) == len(files)
    assert alone.findings
