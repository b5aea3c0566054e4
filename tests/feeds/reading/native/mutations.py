"""Lines of feeds bent at random, and what a chunk of them came to in a form that two decoders can be compared by.

python -m tests.feeds.reading.native.mutations --lines 10000000 --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
import struct
from collections.abc import Iterator
from typing import Any

from calib.feeds.reading.native import library
from calib.feeds.reading.native.packer import NativePacker
from calib.feeds.reading.packing import ColumnPlan, Packed, Packer, PlanCarrier
from calib.feeds.schema.records import NULL_FLAG
from calib.feeds.schema.table import FEEDS, Type
from calib.feeds.schema.types import columns_of
from tests.feeds.helpers import TS, VALID

TOKENS = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\t", b"\r", b"\n", b"\x1f"),
    *(b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"\xc0\xaf"),
    *(b"null", b"true", b"false", b"NaN", b"Infinity", b"1e400", b"1e-400", b"-0", b"-0.0", b"0.0", b"00", b"1."),
    *(b".5", b"1e5", b"1E+2", b"5e-324", b"123456789012345678901", b"0.12345678901234567", b"8e-80"),
    *(b"9007199254740993", b"1e23", b"9223372036854775807", b"9223372036854775808", b"1.7976931348623157e308"),
    *(b"2.2250738585072011e-308", b"\\u0041", b"\\ud800", b"\\n", b"\\/", b"\\x", b'"extra":1,'),
    *(b'"more":{"a":[1,"x",null]},', b'"ts":1735689601.5,', b"{}", b"[]", b"[[1,2]]", b"[[1,2,3]]", b"[[0,1]]"),
    *(b"\x00", b"\x7f", b"\xc2\x80", b"[[1,0]]", b"buy", b"A", b'"fetch_md":1,', b"1735689600", b"1735775999.999999"),
]  # fmt: skip


def base_lines(kind: str) -> list[bytes]:
    """Valid lines in the spacings and with the values that writers have."""
    full = dict(VALID[kind])
    for field in FEEDS[kind].fields:
        if field.name not in full:
            full[field.name] = _usual(field)
    records = [VALID[kind], full, full | {"symbol": "ETHÜSDT"}, full | {"later": 5}]
    lines = [json.dumps(record, separators=pair).encode() for record in records for pair in ((",", ":"), (", ", ": "))]
    return [*lines, json.dumps(full, ensure_ascii=False, indent=1).replace("\n", "\t").encode()]


def _usual(field: Any) -> Any:
    if field.choices:
        return field.choices[0]
    if field.is_time:
        return TS + 7.123456
    values = {Type.STRING: "id-1", Type.NUMBER: 0.12345678901234568, Type.INTEGER: 12, Type.BOOLEAN: True}
    shapes = {Type.STAGES: {"fetch_md": 1.5, "other": None}, Type.LEVELS: [[1.5, 2], [1, 0.0]]}
    return (values | shapes)[field.type]


def bent(dice: random.Random, line: bytes) -> bytes:
    """The line with up to three small changes; it may stay valid."""
    for _ in range(dice.choice([0, 1, 1, 1, 2, 3])):
        at = dice.randrange(len(line) + 1)
        match dice.randrange(6):
            case 0:
                line = line[:at] + bytes([dice.randrange(256)]) + line[at + 1 :]
            case 1:
                line = line[:at] + line[at + dice.randrange(1, 4) :]
            case 2 | 3:
                line = line[:at] + dice.choice(TOKENS) + line[at + dice.choice([0, 0, 1, 4]) :]
            case 4:
                line = _other_number(dice, line, at)
            case 5:
                line = line[:at] if dice.random() < 0.2 else line
    return line


def _other_number(dice: random.Random, line: bytes, at: int) -> bytes:
    """Another number in place of the first one after ``at``."""
    begin = next((n for n in range(at, len(line)) if line[n : n + 1].isdigit()), None)
    if begin is None:
        return line
    end = begin
    while end < len(line) and line[end : end + 1] in b"0123456789.eE+-":
        end += 1
    choices = (
        repr(dice.uniform(0, 10 ** dice.randrange(-5, 12))),
        repr(struct.unpack("d", dice.randbytes(8))[0]),
        f"{dice.randrange(10 ** dice.randrange(1, 22))}.{dice.randrange(10 ** dice.randrange(1, 22))}",
        f"{dice.randrange(10**17)}e{dice.randrange(-99, 80)}",
        str(dice.randrange(-3, 10 ** dice.randrange(1, 20))),
    )
    return line[:begin] + dice.choice(choices).encode() + line[end:]


def plan_of(kind: str) -> ColumnPlan:
    """Every column of a feed."""
    stages = [f"{field.name}.fetch_md" for field in FEEDS[kind].fields if field.type is Type.STAGES]
    return ColumnPlan(kind, int(TS), (*columns_of(FEEDS[kind]), *stages))


def comparable(found: Packed) -> tuple[Any, ...]:
    """Everything that a chunk came to, numbers to the last bit."""
    formats = {Type.NUMBER: "Q", Type.INTEGER: "q", Type.BOOLEAN: "b", Type.STRING: "I"}
    form = "=" + "".join(
        formats[slot.type] + "b" * (slot.nullable and slot.type is Type.INTEGER) for slot in found.slots
    )
    rows = struct.iter_unpack(form, found.records) if found.used else iter(())
    columns: dict[str, list[Any]] = {name: list(values) for name, values in found.texts.items()}
    plain = [list(_values(found, row)) for row in rows]
    for n, slot in enumerate(found.slots):
        columns[slot.name] = [row[n] for row in plain]
    ordered = sorted(columns.items())
    return found.count, found.used, list(found.lines), ordered, found.rejects, found.unknown


def _values(found: Packed, row: tuple[Any, ...]) -> Iterator[Any]:
    cells = iter(row)
    for slot in found.slots:
        value = next(cells)
        if slot.type is Type.STRING:
            yield found.tables[slot.name][value]
        elif slot.type is Type.INTEGER and slot.nullable:
            yield None if next(cells) else value
        elif slot.type is Type.BOOLEAN:
            yield None if value == NULL_FLAG else bool(value)
        else:
            yield value


def compare(lines: int, seed: int, chunk_lines: int = 2000, kernel: Any = None) -> int:
    """Compare the two decoders on so many bent lines; the number of those that the kernel itself vouched for."""
    kernel = library() if kernel is None else kernel
    assert kernel is not None
    dice = random.Random(seed)
    vouched = 0
    kinds = sorted(FEEDS)
    packers: dict[str, tuple[NativePacker, PlanCarrier]] = {}
    for number in range(-(-lines // chunk_lines)):
        kind = kinds[number % len(kinds)]
        if number % 50 < len(kinds):  # now and then with nothing learned
            packers[kind] = NativePacker(kernel, plan_of(kind)), Packer(plan_of(kind))
        bases = base_lines(kind)
        data = b"\n".join(bent(dice, dice.choice(bases)) for _ in range(chunk_lines)) + dice.choice([b"\n", b""])
        native, python = packers[kind]
        found = native.pack(data)
        vouched += found.used - native.handed_back_used
        one, other = comparable(found), comparable(python.pack(data))
        if one != other:
            _show_difference(kernel, kind, data, [(a, b) for a, b in zip(one, other, strict=True) if a != b])
    return vouched


def _show_difference(kernel: Any, kind: str, data: bytes, parts: object) -> None:
    for line in data.split(b"\n"):
        one, other = NativePacker(kernel, plan_of(kind)).pack(line), Packer(plan_of(kind)).pack(line)
        if comparable(one) != comparable(other):
            raise AssertionError(f"{kind}: {line!r}\nkernel {comparable(one)}\npython {comparable(other)}")
    raise AssertionError(f"{kind}: the chunk differs, no line of it alone does: {parts!r:.5000}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    vouched = compare(given.lines, given.seed)
    print(f"{given.lines} lines, {vouched} vouched for by the kernel, no difference")  # noqa: T201 - a program of its own
