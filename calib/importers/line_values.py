"""Give keys of a JSON line a value, and leave every other byte of the line as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+')


def with_values(line: bytes, values: Mapping[str, float]) -> bytes:
    """Return the line of an object with these values, in place of a null or before its end.

    Parameters
    ----------
    line
        One JSON object, with or without its newline. Each key of ``values`` is absent or null in it; of a repeated key
        the last one counts.

    >>> with_values(b'{"id": 12345678901234567890123, "mid": null}', {"mid": 1.5, "spread": 2.0})
    b'{"id": 12345678901234567890123, "mid": 1.5,"spread":2.0}'
    """
    nulls, end, empty = _nulls(line, values)
    edits = [(*nulls[name], orjson.dumps(value)) for name, value in values.items() if name in nulls]
    added = b",".join(orjson.dumps(name) + b":" + orjson.dumps(values[name]) for name in values if name not in nulls)
    if added:
        edits.append((end, end, added if empty else b"," + added))
    for begin, stop, text in sorted(edits, reverse=True):
        line = line[:begin] + text + line[stop:]
    return line


def _nulls(line: bytes, names: Mapping[str, Any]) -> tuple[dict[str, tuple[int, int]], int, bool]:
    """Where the nulls of these keys stand, past the last value of the object, and whether it has no key."""
    end = line.rindex(b"}")
    end = len(line[:end].rstrip())
    empty = line.endswith(b"{", 0, end)
    if b"\\" not in line and line.count(b"{") == 1:
        return _nulls_of_flat(line, names), end, empty
    found: dict[str, tuple[int, int]] = {}
    depth, name, is_value = 0, "", False
    for match in _TOKEN.finditer(line):
        token = match[0]
        if depth == 1 and is_value:
            found.pop(name, None)  # an earlier one of the same name does not count
            if token == b"null" and name in names:
                found[name] = match.span()
        elif depth == 1 and token.startswith(b'"'):
            name = orjson.loads(token)
        is_value = depth == 1 and token == b":"
        depth += (token in (b"{", b"[")) - (token in (b"}", b"]"))
    return found, end, empty


def _nulls_of_flat(line: bytes, names: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """As `_nulls`, of an object without escapes and other objects: a name in quotes before a colon is its key."""
    found: dict[str, tuple[int, int]] = {}
    for name in names:
        for match in re.finditer(b'"%b"\\s*:\\s*(null)?' % re.escape(name.encode()), line):
            found.pop(name, None)
            if match[1] is not None:
                found[name] = match.span(1)
    return found
