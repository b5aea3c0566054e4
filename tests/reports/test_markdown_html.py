"""A report's Markdown as HTML: what it means, and that no text in it becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.reports.markdown import cell, code, table, visible
from calib.reports.markdown_html import html


class Reader(HTMLParser):
    """Tags and text as a browser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(html(text))
    return reader


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("## Of *a* & b", '<h2 id="of-a-b">Of *a* &amp; b</h2>'),
        ("**OK: `x` fine.**", '<p class="verdict">OK: <code>x</code> fine.</p>'),
        ("one **two** `` a`b `` \\<c\\>", "<p>one <strong>two</strong> <code>a`b</code> &lt;c&gt;</p>"),
        ("- a\n- `b`", "<ul>\n<li>a</li>\n<li><code>b</code></li>\n</ul>"),
        ("```sh\n<a> ``\n```", '<pre tabindex="0"><code>&lt;a&gt; ``</code></pre>'),
        ("![x](none.svg)", ""),
    ],
)
def test_each_block_becomes_its_element(text: str, expected: str) -> None:
    assert html(text) == expected


def test_a_table_keeps_its_cells_and_sides() -> None:
    made = html(table(["name", "n"], [[cell("a|b"), "1"], [cell("<i>"), "-"]], "lr"))
    assert '<th scope="col">name</th><th scope="col" class="n">n</th>' in made
    assert '<tr><td><code>a|b</code></td><td class="n">1</td></tr>' in made
    assert "<td><code>&lt;i&gt;</code></td>" in made


hostile = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "&lt;",
        "`",
        "``|``",
        "a|b",
        "**x**",
        "![a](b.svg)",
        "' onload='x",
        '" x="',
        "\u202e",
        "]]>",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(hostile, min_size=1, max_size=4))
def test_no_text_becomes_markup(texts: list[str]) -> None:
    rows = table(["name"], [[cell(text)] for text in texts], "l")
    listed = "\n".join(f"- {code(text)}" for text in texts)
    found = read(f"# {code(texts[0])}\n\n{rows}\n\n{listed}\n")
    assert found.tags <= {"h1", "code", "div", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert found.attributes <= {"id", "class", "tabindex", "scope"}
    said = "".join(found.words)
    for text in texts:
        assert said.count(visible(text)) >= 2


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_at_all_gives_only_the_elements_of_reports(text: str) -> None:
    lines = "\n".join(line for line in text.split("\n") if not line.startswith("|"))
    known = {"h1", "h2", "h3", "h4", "p", "code", "strong", "pre", "ul", "li"}
    assert read(lines).tags <= known
