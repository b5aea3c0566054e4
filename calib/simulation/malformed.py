"""Malformed lines: what a broken writer, disk or clock leaves in a feed, to show what readers do with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from calib.simulation.incidents import HOUR_S

DAY_S: Final = 86_400
PER_HOUR: Final = 3
"""At most so many in one feed and hour."""
LINES_EACH: Final = 200
"""One for that many good lines, so that a feed stays well under the share of rejects that is tolerated."""


@dataclass(frozen=True, slots=True)
class MalformedLine:
    """One way to corrupt a line.

    Parameters
    ----------
    name
        What was done.
    reason
        The reject that it must become.
    corrupt
        From a good record to the bytes of the bad line, without the newline.
    """

    name: str
    reason: str
    corrupt: Callable[[dict[str, Any]], bytes]


def _text(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def _number(record: dict[str, Any]) -> str:
    """A number that this feed requires."""
    return "price" if "price" in record else "tick_total_ms"


def _without(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != name}


HOSTILE: Final = (
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
"""The ways, in rotation: three hours show them all."""

_ARRAY: Final = MalformedLine("an array", "not_object", lambda r: json.dumps([r["ts"], r["symbol"]]).encode("utf-8"))
"""Ticks have no id that a second line could repeat: they get this instead of a duplicate."""


def choose_hostile(kind: str, hour_start_s: int, lines: int) -> list[MalformedLine]:
    """The ways for one feed and hour.

    Parameters
    ----------
    kind
        The feed.
    hour_start_s
        Unix seconds of the hour; decides where in the rotation it is.
    lines
        How many good lines the hour has; few lines get few hostile ones, none get none.

    >>> [way.reason for way in choose_hostile("fills", 0, 700)]
    ['bad_json', 'bad_json', 'bad_value']
    """
    if lines == 0:
        return []
    first = hour_start_s // HOUR_S * PER_HOUR
    ways = [HOSTILE[(first + i) % len(HOSTILE)] for i in range(max(1, min(PER_HOUR, lines // LINES_EACH)))]
    return [_ARRAY if way.reason == "duplicate" and kind != "fills" else way for way in ways]
