"""Placement of labels beside the points of a chart without overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_CHAR, _HEIGHT = 7.0, 12.0
"""Approximate maximum width and height of a character, pixels."""
_POINT: Final = 5.0
_GAP: Final = 9.0


@dataclass(frozen=True, slots=True)
class Label:
    """A text whose baseline starts at ``(x, y)``, pixels."""

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
    """Return the placed labels; a label without room is left out, as the description also lists its point.

    Parameters
    ----------
    wanted
        ``(x, y, text)`` of the points with a label, in order of priority.
    points
        Every point, pixels; no label covers one.
    frame
        Left, top, right and bottom edge of the area for labels.

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
