"""The frame of every picture: title, text description, and styles for light and dark mode."""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from calib.reports.markdown import visible
from calib.reports.markdown_html import escaped

NAMESPACE: Final = "http://www.w3.org/2000/svg"

COLOURS: Final = (
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#e69f00"),
    ("#009e73", "#4fd6a9"),
    ("#a0527e", "#cc79a7"),
    ("#7a6a00", "#f0e442"),
    ("#555555", "#aaaaaa"),
)
"""Light and dark colours by index, after Okabe and Ito (2008); classes ``f0`` ... fill, ``l0`` ... stroke with them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The content of a picture.

    Parameters
    ----------
    title
        The title, one line.
    description
        The numbers as text, for readers who cannot see the picture.
    width, height
        Size, pixels.
    body
        SVG elements.
    defs
        SVG definitions; ``KEY-`` in them and in the body is replaced by the picture's prefix of ids.
    """

    title: str
    description: str
    width: float
    height: float
    body: Sequence[str]
    defs: str = ""

    def svg(self) -> str:
        """Return the document; equal frames yield equal bytes."""
        key = f"p{zlib.crc32((self.title + self.description).encode()):08x}"
        size = f'viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}" height="{self.height:g}"'
        head = f'<svg xmlns="{NAMESPACE}" {size} role="img" aria-labelledby="{key}-t {key}-d" id="{key}">'
        inner = "\n".join([f"<defs>{self.defs}</defs>" if self.defs else "", *self.body])
        return "\n".join(
            [
                head,
                f'<title id="{key}-t">{safe(self.title)}</title>',
                f'<desc id="{key}-d">{safe(self.description)}</desc>',
                f"<style>{_css(key)}</style>",
                text(12, 20, self.title, kind="title"),
                inner.replace("KEY-", f"{key}-").strip("\n"),
                "</svg>\n",
            ]
        )


def _css(key: str) -> str:
    def rules(place: int) -> str:
        return "".join(
            f"#{key} .f{index}{{fill:{pair[place]}}}#{key} .l{index}{{stroke:{pair[place]}}}"
            for index, pair in enumerate(COLOURS)
        )

    return (
        f"#{key}{{color:#222;background:#fff;font:12px system-ui,sans-serif}}#{key} text{{fill:#222}}"
        f"#{key} .title{{font-weight:600}}#{key} .small{{font-size:10px}}"
        f"#{key} .grid{{stroke:currentColor;opacity:.15}}#{key} .limit{{stroke:currentColor;stroke-dasharray:4 3}}"
        f"#{key} .line{{fill:none;stroke-width:2}}#{key} .cut{{stroke:#fff}}"
        f"#{key} .edge{{fill:none;stroke:currentColor}}"
        f"{rules(0)}@media(prefers-color-scheme:dark){{#{key}{{color:#ddd;background:#111}}#{key} text{{fill:#ddd}}"
        f"#{key} .cut{{stroke:#111}}{rules(1)}}}"
    )


def safe(words: str) -> str:
    """Return a text from a feed or a setting, escaped for SVG."""
    return escaped(visible(words))


def text(at_x: float, at_y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    """Return a text element with its baseline at ``(at_x, at_y)``."""
    named = f' class="{kind}"' if kind else ""
    side = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text{named} x="{at_x:g}" y="{at_y:g}"{side}>{safe(words)}</text>'


def margin_of(labels: Sequence[str], least: float = 40.0) -> float:
    """Return a margin for the longest of the labels, pixels."""
    return max([least, *(14 + wide(label) for label in labels)])


def wide(label: str) -> float:
    """Return the approximate maximum width of a label, pixels, at 12 px in the widest common font."""
    return sum(map(_char_px, visible(label)))


def _char_px(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF" or ord(char) > 0x2E80:
        return 14.0
    if char in "MW@%mw":
        return 12.5
    return 9.5 if char.isupper() or ord(char) > 0x7F else 8.0
