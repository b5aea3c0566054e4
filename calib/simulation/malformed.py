"""Malformed lines, as broken writers, disks or clocks leave them, to show how readers handle them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from calib.simulation.incidents import HOUR_S

DAY_S: Final = 86_400
PER_HOUR: Final = 3
"""Maximum number per feed and hour."""
LINES_EACH: Final = 200
"""One malformed line per this many good lines, so that a feed stays below the tolerated ratio of rejects."""


@dataclass(frozen=True, slots=True)
class MalformedLine:
    """One kind of malformed line.

    Parameters
    ----------
    name
        What is wrong with the line.
    reason
        The expected reason of its reject.
    corrupt
        Converts a good record to the bytes of the malformed line, without the newline.
    """

    name: str
    reason: str
    corrupt: Callable[[dict[str, Any]], bytes]


def _text(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def _number(record: dict[str, Any]) -> str:
    """The name of a numeric field that this feed requires."""
    return "price" if "price" in record else "tick_total_ms"


def _without(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != name}


MALFORMED: Final = (
    MalformedLine("a line cut short", "bad_json", lambda r: _text(r)[:60]),
    MalformedLine("a bare NaN", "bad_json", lambda r: _text({**r, _number(r): float("nan")})),
    MalformedLine("a negative number", "bad_value", lambda r: _text({**r, _number(r): -1.5})),
    MalformedLine("no symbol", "missing_field", lambda r: _text(_without(r, "symbol"))),
    MalformedLine("the line once more", "duplicate", _text),
    MalformedLine("another day's line", "wrong_day", lambda r: _text({**r, "ts": r["ts"] + DAY_S})),
    MalformedLine("a NUL byte", "bad_json", lambda r: _text(r).replace(b'","', b'\x00","', 1)),
    MalformedLine("a number as text", "bad_type", lambda r: _text({**r, _number(r): "12.5"})),
    MalformedLine("invalid UTF-8", "bad_json", lambda r: _text(r).replace(b'"symbol":"', b'"symbol":"\xff', 1)),
)
"""The kinds, used in rotation: three hours show all of them."""

_ARRAY: Final = MalformedLine("an array", "not_object", lambda r: json.dumps([r["ts"], r["symbol"]]).encode("utf-8"))
"""Used instead of a duplicate for feeds without a duplicate rule, such as ticks, which have no id."""


def choose_malformed(kind: str, hour_start_s: int, lines: int) -> list[MalformedLine]:
    """Choose the malformed lines of one feed and hour.

    Parameters
    ----------
    kind
        The feed.
    hour_start_s
        Unix seconds of the hour; selects the position in the rotation.
    lines
        Number of good lines in the hour; fewer good lines get fewer malformed ones, and 0 get none.

    >>> [way.reason for way in choose_malformed("fills", 0, 700)]
    ['bad_json', 'bad_json', 'bad_value']
    """
    if lines == 0:
        return []
    first = hour_start_s // HOUR_S * PER_HOUR
    ways = [MALFORMED[(first + i) % len(MALFORMED)] for i in range(max(1, min(PER_HOUR, lines // LINES_EACH)))]
    return [_ARRAY if way.reason == "duplicate" and kind != "fills" else way for way in ways]
