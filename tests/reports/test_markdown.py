"""No text from a feed can break a table or become markup, and nothing of it is lost."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from calib.reports.markdown import block, cell, code, table, visible, width

HOSTILE = [
    "a|b",
    "|||",
    "`",
    "``x``",
    "` ",
    "a\\|b",
    "a\\\\|b",
    "\\",
    "<script>alert(1)</script>",
    "<!--",
    "[x](http://example.org)",
    "![x](y)",
    "https://example.org",
    "www.example.org",
    "a@example.org",
    "**bold** _it_ ~~no~~",
    "line\nbreak",
    "\u2028\u2029\x85",
    "\u202eright to left",
    "zero\u200bwidth\ufeff",
    "{{7*7}}{% raw %}",
    "=1+1",
    "&lt;&amp;",
    " ",
    "  padded  ",
    "\u00a0",
    "漢字|`",
    "# head",
    "---",
    "\x00",
    "\x1b[31mred",
]
anything = st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=20) | st.text("|`\\ \n<", min_size=1, max_size=8)


def _cells(text: str) -> list[list[str]]:
    """A simple reader of tables: cells end at a bar that no backslash precedes."""
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.split("\n")]


def _tokens(text: str) -> list[list[tuple[str, str]]]:
    """What a second, independent reader (markdown-it) makes of each cell: the inline tokens with their content."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    cells = [token for token in reader.parse(text) if token.type == "inline"]
    return [[(child.type, child.content) for child in cell.children or []] for cell in cells]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(anything, min_size=3, max_size=3), min_size=1, max_size=4))
def test_no_text_breaks_a_table(rows: list[list[str]]) -> None:
    text = table(["a", "b", "c"], [[cell(text) for text in row] for row in rows], "lrl")
    lines = _cells(text)
    assert len(lines) == len(rows) + 2
    assert {len(line) for line in lines} == {3}
    read = _tokens(text)
    assert len(read) == 3 * (len(rows) + 1)
    for found, source in zip(read[3:], [text for row in rows for text in row], strict=True):
        assert [kind for kind, _ in found] == ["code_inline"], source
        # CommonMark turns nothing else within a span; what it holds is the text with the unseeable spelled out.
        assert found[0][1].strip() == visible(source).strip()


@settings(max_examples=100, deadline=None)
@given(anything)
def test_no_text_leaves_its_span_in_a_heading(text: str) -> None:
    read = MarkdownIt("commonmark", {"html": True}).parse(f"# Summary: {code(text)}\n\nafter\n")
    assert [token.type for token in read] == [
        *("heading_open", "inline", "heading_close", "paragraph_open", "inline", "paragraph_close")
    ]
    children = read[1].children or []
    assert [child.type for child in children] == ["text", "code_inline"]
    assert children[1].content.strip() == visible(text).strip()


@given(anything)
def test_what_is_shown_can_be_seen(text: str) -> None:
    shown = visible(text)
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for char in shown)
    assert "\n" not in shown


@settings(max_examples=200)
@given(anything, anything)
def test_two_texts_never_look_alike(one: str, other: str) -> None:
    assert (visible(one) == visible(other)) == (one == other)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_block_is_closed_by_its_own_fence_alone(text: str) -> None:
    read = MarkdownIt("commonmark").parse(f"{block(visible(text))}\n\nafter")
    assert [token.type for token in read] == ["fence", "paragraph_open", "inline", "paragraph_close"]


def test_columns_line_up_unrendered() -> None:
    text = table(["name", "n"], [["`漢字`", "5"], ["`ab`", "12,345"]], "lr")
    assert text.split("\n") == [
        "| name   |      n |",
        "| ------ | -----: |",
        "| `漢字` |      5 |",
        "| `ab`   | 12,345 |",
    ]
    assert len({width(line) for line in text.split("\n")}) == 1


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        table(["a", "b"], [["1"]], "ll")
