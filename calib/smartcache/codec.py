"""The format of an entry on Redis: a short header for the scripts and the age, then the value as JSON.

``schema|fence|ttl_ms|hard_ms|delta_us|zone|`` and orjson's bytes. ``hard_ms`` is the key's TTL at age 0: with the
remaining TTL on the server (PTTL) it yields the age without the reader's wall clock.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import orjson

SCHEMA: Final = 1
_STRICT: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
_FIELDS: Final = 6


class UnstorableValue(TypeError):
    """A value that JSON cannot represent without changing it."""


class CorruptEntry(ValueError):
    """Bytes that are not an entry of this schema."""


class PackedEntry(NamedTuple):
    """The fields of an entry on Redis."""

    value: Any
    fence: int
    ttl_ms: int
    hard_ms: int
    delta_us: int
    zone: str


def encode_value(value: Any) -> bytes:
    """Return the JSON of a value.

    Raises
    ------
    UnstorableValue
        If the value would not decode to an equal one: NaN and infinities (they would become null), sets, dates,
        dataclasses, keys that are not strings, integers beyond 64 bits. A tuple decodes to a list.

    >>> encode_value({"p": (1, 2.5, None)})
    b'{"p":[1,2.5,null]}'
    """
    try:
        encoded = orjson.dumps(value, option=_STRICT)
    except TypeError as error:  # orjson's own error is one too
        raise UnstorableValue(f"cannot be stored as JSON: {error}") from error
    if b"null" in encoded and _has_non_finite(value):
        raise UnstorableValue("contains NaN or an infinity, which JSON would turn into null")
    return encoded


def pack(packed: PackedEntry, encoded: bytes) -> bytes:
    """Return the bytes of an entry; ``encoded`` is the JSON of its value."""
    header = f"{SCHEMA}|{packed.fence}|{packed.ttl_ms}|{packed.hard_ms}|{packed.delta_us}|{packed.zone}|"
    return header.encode("ascii") + encoded


def unpack(raw: bytes) -> PackedEntry:
    """Return the fields of an entry.

    Raises
    ------
    CorruptEntry
        If the bytes are not an entry of this schema.

    >>> unpack(pack(PackedEntry(None, 7, 30_000, 60_000, 1500, "warmup"), b"[1]"))
    PackedEntry(value=[1], fence=7, ttl_ms=30000, hard_ms=60000, delta_us=1500, zone='warmup')
    """
    fields = raw.split(b"|", _FIELDS)
    try:
        schema, fence, ttl_ms, hard_ms, delta_us = map(int, fields[:5])
        if schema != SCHEMA or ttl_ms <= 0 or hard_ms <= 0:
            raise CorruptEntry("another schema")
        return PackedEntry(orjson.loads(fields[6]), fence, ttl_ms, hard_ms, delta_us, fields[5].decode("ascii"))
    except (ValueError, IndexError) as error:
        raise CorruptEntry("not an entry of this schema") from error


def _has_non_finite(value: Any) -> bool:
    open_ends = [value]
    while open_ends:
        item = open_ends.pop()
        if isinstance(item, float):
            if not math.isfinite(item):
                return True
        elif isinstance(item, dict):
            open_ends.extend(item.values())
        elif isinstance(item, list | tuple):
            open_ends.extend(item)
    return False
