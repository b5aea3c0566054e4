"""Short labels beside the points of a chart, none over another or over a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_CHAR, _HEIGHT = 7.0, 12.0
"""Pixels that a character of the charts' font takes at most, about."""
_POINT: Final = 5.0
_GAP: Final = 9.0


@dataclass(frozen=True, slots=True)
class Label:
    """A text whose baseline begins at ``(x, y)``, pixels."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def within(self, other: _Box) -> bool:
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


def placed(
    wanted: Sequence[tuple[float, float, str]],
    points: Sequence[tuple[float, float]],
    frame: tuple[float, float, float, float],
) -> list[Label]:
    """Where the labels stand; one that finds no room is left out: its point is told elsewhere too.

    Parameters
    ----------
    wanted
        ``(x, y, text)`` of the points that have a label; the first ones choose first.
    points
        Every point, pixels: no label covers one.
    frame
        Left, top, right and bottom that labels keep within.

    >>> placed([(50.0, 50.0, "1")], [(50.0, 50.0)], (0.0, 0.0, 100.0, 100.0))
    [Label(x=59.0, y=46.0, text='1')]
    """
    bounds = _Box(*frame)
    taken = [_Box(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y in points]
    labels = []
    for x, y, text in wanted:
        width = _CHAR * len(text)
        above, level, below = y - 4, y + 4, y + 15
        right, left, middle = x + _GAP, x - _GAP - width, x - width / 2
        corners = [(right, above), (left, above), (right, below), (left, below), (right, level), (left, level)]
        for at_x, at_y in [*corners, (middle, y - 9), (middle, y + 19)]:
            box = _Box(at_x, at_y - _HEIGHT + 2, at_x + width, at_y + 2)
            if box.within(bounds) and not any(box.meets(other) for other in taken):
                taken.append(box)
                labels.append(Label(round(at_x, 2), round(at_y, 2), text))
                break
    return labels
