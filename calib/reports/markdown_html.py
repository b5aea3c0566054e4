"""Conversion of the reports' Markdown to HTML.

A report is written as Markdown, and its HTML is generated from it. Only the syntax that reports use is supported:
headings, paragraphs, tables, lists, fenced blocks, pictures on their own line, code spans, bold text and escaped
punctuation. Everything else is text. All text is passed through `escaped`, so that it never contains markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from calib.reports.markdown import visible

_TOKEN: Final = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)|\*\*(.+?)\*\*|\\([\\`*_\[\]<>#|])", re.DOTALL)
_BAR: Final = re.compile(r"(?<!\\)\|")
_FENCE: Final = re.compile(r"(`{3,})\w*")
_HEADING: Final = re.compile(r"(#{1,4}) (.*)")
_PICTURE: Final = re.compile(r"!\[([^\]]*)\]\(([\w.%-]+)\)")


def escaped(text: str) -> str:
    """Return the text escaped for HTML content or attributes, with invisible characters as escapes.

    >>> print(escaped('<a "b">&\\u202e'))
    &lt;a &quot;b&quot;&gt;&amp;\\u202e
    """
    return escape("\\".join(visible(part) for part in text.split("\\")))


def html(text: str, pictures: Mapping[str, str] | None = None) -> str:
    """Return a report's Markdown as an HTML fragment.

    Parameters
    ----------
    pictures
        SVG by file name in the Markdown; pictures that are missing here are left out.

    >>> print(html("# Of `a<b`"))
    <h1 id="of-a-b">Of <code>a&lt;b</code></h1>
    """
    return "\n".join(_blocks(text.split("\n"), pictures or {}))


def headings(text: str) -> list[tuple[str, str]]:
    """Return anchor and text of each second-level heading, in order."""
    found, fence = [], ""
    for line in text.split("\n"):
        if fence:
            fence = "" if line.strip() == fence else fence
        elif match := _FENCE.fullmatch(line):
            fence = match[1]
        elif line.startswith("## "):
            found.append((_anchor(line[3:]), line[3:]))
    return found


def _blocks(lines: Sequence[str], pictures: Mapping[str, str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        end = at + 1
        if not line.strip():
            pass
        elif match := _FENCE.fullmatch(line):
            while end < len(lines) and lines[end] != match[1]:
                end += 1
            code = "\n".join(escaped(each) for each in lines[at + 1 : end])
            yield f'<pre tabindex="0"><code>{code}</code></pre>'
            end += 1
        elif match := _HEADING.fullmatch(line):
            level = len(match[1])
            yield f'<h{level} id="{_anchor(match[2])}">{_inline(match[2])}</h{level}>'
        elif match := _PICTURE.fullmatch(line):
            if match[2] in pictures:
                yield f'<figure tabindex="0">{pictures[match[2]].strip()}</figure>'
        else:
            kind = _kind(line)
            while end < len(lines) and lines[end].strip() and _kind(lines[end]) == kind:
                end += 1
            yield _BLOCKS[kind](lines[at:end])
        at = end


def _kind(line: str) -> str:
    if line.startswith("|"):
        return "table"
    if line.startswith("- "):
        return "list"
    return "heading" if _HEADING.fullmatch(line) or _FENCE.fullmatch(line) or _PICTURE.fullmatch(line) else "text"


def _table(lines: Sequence[str]) -> str:
    head, rule, *rows = ([cell.strip() for cell in _BAR.split(line)[1:-1]] for line in lines)
    classes = [' class="n"' if mark.endswith(":") else "" for mark in rule]
    top = "".join(f'<th scope="col"{kind}>{_inline(cell)}</th>' for kind, cell in zip(classes, head, strict=True))
    cells = (
        "".join(f"<td{kind}>{_inline(cell)}</td>" for kind, cell in zip(classes, row, strict=True)) for row in rows
    )
    body = "\n".join(f"<tr>{row}</tr>" for row in cells)
    return (
        '<div class="scroll" tabindex="0"><table>\n'
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _list(lines: Sequence[str]) -> str:
    items = "\n".join(f"<li>{_inline(line[2:])}</li>" for line in lines)
    return f"<ul>\n{items}\n</ul>"


def _paragraph(lines: Sequence[str]) -> str:
    text = " ".join(lines)
    bold = re.fullmatch(r"\*\*(.+)\*\*", text, re.DOTALL)
    return f'<p class="verdict">{_inline(bold[1])}</p>' if bold else f"<p>{_inline(text)}</p>"


_BLOCKS: Final = {"table": _table, "list": _list, "text": _paragraph, "heading": _paragraph}


def _inline(text: str) -> str:
    parts, at = [], 0
    for match in _TOKEN.finditer(text):
        parts.append(escaped(text[at : match.start()]))
        fence, code, bold, char = match.groups()
        if fence:
            parts.append(f"<code>{escaped(_unpadded(code).replace(chr(92) + '|', '|'))}</code>")
        else:
            parts.append(f"<strong>{_inline(bold)}</strong>" if bold is not None else escaped(char))
        at = match.end()
    return "".join([*parts, escaped(text[at:])])


def _unpadded(code: str) -> str:
    return code[1:-1] if code.strip() and code[0] == code[-1] == " " and len(code) > 2 else code


def _anchor(text: str) -> str:
    """Return a heading's id: letters, digits and dashes.

    >>> _anchor("Why intervals were dropped")
    'why-intervals-were-dropped'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"
