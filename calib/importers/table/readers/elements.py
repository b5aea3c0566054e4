"""Split the text of a JSON array into its elements while it is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from calib.feeds.reading.chunks import MAX_LINE

_SIGNS: Final = re.compile(rb'[\[\]{}",]')
_STRING_END: Final = re.compile(rb'["\\]')


class ElementScan:
    """Splits the text of an array into its elements by the brackets; keeps only the beginning of an oversized element.

    Parameters
    ----------
    opened
        Whether the opening bracket of the array was already read.

    Attributes
    ----------
    end
        Offset after the end of the array in the last block; None if the array continues.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self._depth = int(opened)
        self._in_string = self._escaped = self._too_long = False
        self._held = bytearray()
        self.end: int | None = None

    def feed(self, block: bytes, place: int = 0) -> Iterator[tuple[bytes, bool]]:
        """Yield the elements that end in this block, from the offset ``place``: text, and whether it was truncated."""
        begin = place
        if self._escaped:
            self._escaped, place = False, place + 1
        while (match := (_STRING_END if self._in_string else _SIGNS).search(block, place)) is not None:
            place, sign = match.end(), match[0]
            if self._in_string:
                if sign == b"\\":
                    self._escaped = place == len(block)
                    place += 1
                else:
                    self._in_string = False
            elif sign == b'"':
                self._in_string = True
            elif sign in b"[{":
                self._depth += 1
                begin = place if self._depth == 1 else begin
            elif sign in b"]}":
                self._depth -= 1
                if self._depth == 0:
                    yield from self._cut(block[begin : place - 1])
                    self.end = place
                    return
            elif self._depth == 1:
                yield from self._cut(block[begin : place - 1])
                begin = place
        self._hold(block[begin:])

    def rest(self) -> bytes:
        """Return the incomplete element at the end of the content; empty if the array is complete."""
        return bytes(self._held).strip()

    def _hold(self, piece: bytes) -> None:
        if len(self._held) + len(piece) > MAX_LINE:
            self._too_long = True
            piece = piece[: max(0, 2000 - len(self._held))]
            del self._held[2000:]
        self._held += b"" if self._too_long and len(self._held) >= 2000 else piece

    def _cut(self, piece: bytes) -> Iterator[tuple[bytes, bool]]:
        self._hold(piece)
        text, too_long = bytes(self._held).strip(), self._too_long
        self._held.clear()
        self._too_long = False
        if text:
            yield text, too_long
