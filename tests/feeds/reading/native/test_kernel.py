"""The kernel against the decoder in Python: what it vouches for is valid there, with the same values."""

from __future__ import annotations

import ctypes
import json
import random
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

import hatch_build
from calib.feeds.reading.native import library, status
from calib.feeds.reading.native.library import open_library
from calib.feeds.reading.native.packer import NativePacker, suits
from calib.feeds.reading.packing import ColumnPlan, Packer
from calib.feeds.reading.pieces import new_packer
from calib.feeds.schema.table import FEEDS
from calib.feeds.schema.validation import judge_line
from tests.feeds.helpers import TS, line
from tests.feeds.reading.native.mutations import comparable, compare, plan_of
from tools.generate_powers import LARGEST, LEAST, TARGET, header, leading_bits

KERNEL = library()
needs_kernel = pytest.mark.skipif(KERNEL is None, reason=status().reason)
ROOT = Path(__file__).resolve().parents[4]
SOURCE = ROOT / hatch_build.PACKAGE / "source"


def _prices(texts: list[str]) -> list[float | None]:
    """What the kernel takes each text for, as the price of a trade; None where it hands the line back."""
    assert KERNEL is not None
    packer = NativePacker(KERNEL, ColumnPlan("trades", int(TS), ("price",)))
    found: list[float | None] = []
    for text in texts:
        packed = packer.pack(line("trades", price=1234567).replace(b"1234567", text.encode()))
        own = packed.used == 1 and packer.handed_back_used == 0
        found.append(struct.unpack("=d", packed.records)[0] if own else None)
    return found


@needs_kernel
def test_a_hundred_thousand_bent_lines_come_to_the_same() -> None:
    assert compare(100_000, seed=25) > 10_000


@needs_kernel
def test_numbers_are_the_nearest_doubles() -> None:
    """Against `float`, which rounds as IEEE 754 asks: halves between two doubles, and digits of every number."""
    dice = random.Random(3)
    texts = [repr(dice.uniform(0, 10 ** dice.randrange(-6, 15)) or 1.0) for _ in range(3000)]
    texts += [f"{dice.randrange(1, 10 ** dice.randrange(1, 20))}e{dice.randrange(-79, 60)}" for _ in range(3000)]
    for _ in range(2000):  # exactly halfway between two neighbours: to even
        mantissa, power = dice.randrange(2**52, 2**53), dice.randrange(0, 10)
        texts.append(str((2 * mantissa + 1) * 2**power))
    texts += ["9007199254740993", "1e22", "1e23", "0.1", "123456789.12345678", "5e-1", "1.0E+2", "0.30000000000000004"]
    found = _prices(texts)
    wrong = [
        (text, value) for text, value in zip(texts, found, strict=True) if value is not None and value != float(text)
    ]
    assert wrong == []
    assert sum(value is None for value in found) < len(texts) // 5


@needs_kernel
@pytest.mark.parametrize(
    "text", ["-0", "0", "0.0", "-1", "01", "1.", ".5", "+1", "1e", "1e+", "0x1", "1_0", "NaN", "1e400", "1" * 20, '"5"']
)
def test_what_is_no_positive_number_is_handed_back(text: str) -> None:
    assert _prices([text]) == [None]


@needs_kernel
@pytest.mark.parametrize(
    ("changes", "own"),
    [
        ({}, True),
        ({"symbol": "ÉÉÉ"}, True),
        ({"symbol": "É" * 64}, True),
        ({"symbol": "É" * 65}, False),
        ({"symbol": "A\x7f"}, False),
        ({"symbol": "A\x80"}, False),
        ({"symbol": ""}, False),
        ({"side": "hold"}, False),
        ({"ts": TS + 86_400}, False),
        ({"ts": TS - 0.000001}, False),
        ({"trade_id": None}, True),
        ({"trade_id": 5}, False),
        ({"unknown": 1}, False),
    ],
)
def test_which_lines_it_vouches_for(changes: dict[str, Any], own: bool) -> None:
    assert KERNEL is not None
    packer = NativePacker(KERNEL, plan_of("trades"))
    text = json.dumps(json.loads(line("trades")) | changes, ensure_ascii=False).encode()
    packer.pack(text + b"\n")
    vouched = packer.pack(text).used - packer.handed_back_used == 1
    # An unknown field is learned from the first line that has it.
    assert vouched == (own or "unknown" in changes)


@needs_kernel
def test_a_repeated_key_is_left_to_python() -> None:
    assert KERNEL is not None
    text = line("trades").replace(b'"qty": 1', b'"qty": 1, "qty": 2')
    native, python = NativePacker(KERNEL, plan_of("trades")), Packer(plan_of("trades"))
    assert comparable(native.pack(text)) == comparable(python.pack(text))
    assert native.handed_back_used == 1


@needs_kernel
@pytest.mark.parametrize("ended", [True, False])
def test_no_byte_past_the_content_is_read_as_part_of_it(ended: bool) -> None:
    """The content ends where the buffer does not: what lies behind it must not complete its last line."""
    assert KERNEL is not None
    whole = line("trades", symbol="X" * 40) + b"\n"
    for cut in range(1, len(whole)):
        content = whole * 3 + whole[:cut]
        buffer = ctypes.create_string_buffer(content + (whole[cut:] if ended else b"\n" + whole))
        packer = NativePacker(KERNEL, plan_of("trades"))
        found = packer.pack(ctypes.string_at(buffer, len(content)))
        valid = judge_line(FEEDS["trades"], whole[:cut].strip()).record is not None
        assert (found.count, found.used) == (4, 3 + valid)


def test_without_the_library_python_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALIB_NATIVE", "0")
    assert library() is None
    assert status().reason == "CALIB_NATIVE=0 switches the kernel off"
    assert isinstance(new_packer(plan_of("trades")), Packer)


def test_more_stages_than_a_kernel_holds_are_left_to_python() -> None:
    many = ColumnPlan("pipeline_ticks", int(TS), tuple(f"stage_latencies.s{n}" for n in range(17)))
    assert not suits(many)
    assert isinstance(new_packer(many), Packer)


@needs_kernel
def test_a_library_of_another_version_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "other.so"
    source = tmp_path / "other.c"
    source.write_text("int kernel_version(void) { return 999; }\n")
    subprocess.run([*_compiler(), "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    found, reason = open_library(path)
    assert found is None
    assert "has version 999" in reason


def _compiler() -> list[str]:
    command = hatch_build.compiler()
    if command is None:
        pytest.skip("no C compiler")
    return command


def test_the_portable_path_comes_to_the_same(tmp_path: Path) -> None:
    _compiler()
    hatch_build.build(ROOT, tmp_path / "portable.so", (*hatch_build.FLAGS, "-DCALIB_PORTABLE"))
    portable, reason = open_library(tmp_path / "portable.so")
    assert portable is not None, reason
    assert reason.startswith("portable code")
    assert compare(10_000, seed=26, kernel=portable) > 1000


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-U__BYTE_ORDER__", "-D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__"], "little-endian"),
        (["-m32"], "64-bit addresses"),
    ],
)
def test_other_machines_refuse_to_build(flags: list[str], words: str) -> None:
    command = [*_compiler(), *flags, "-Wno-builtin-macro-redefined", "-ffreestanding", "-fsyntax-only", "-x", "c"]
    found = subprocess.run([*command, str(SOURCE / "kernel.h")], check=False, capture_output=True, text=True)
    assert found.returncode != 0
    assert words in found.stderr


def test_the_table_of_powers_is_the_one_that_is_generated() -> None:
    assert TARGET.read_text() == header()


@pytest.mark.parametrize("power", range(LEAST, LARGEST + 1))
def test_powers_of_five_are_within_one_unit(power: int) -> None:
    """Against fractions of whole numbers: 128 bits of 5^q, off by less than one unit in the last place."""
    bits = leading_bits(power)
    assert 2**127 <= bits < 2**128
    numerator, denominator = (5**power, 1) if power >= 0 else (1, 5**-power)
    scale = 128 + denominator.bit_length() - numerator.bit_length()
    for shift in (scale - 1, scale, scale + 1):
        exact = numerator * 2**shift / denominator if shift >= 0 else numerator / (denominator * 2**-shift)
        if 2.0**127 <= exact < 2.0**128:
            wide = numerator << shift if shift >= 0 else numerator
            whole = wide // (denominator if shift >= 0 else denominator << -shift)
            assert abs(bits - whole) <= 1
            return
    raise AssertionError("no shift fits")
