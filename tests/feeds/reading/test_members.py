"""Compressed members: the content is that of the library's whole decompression, in pieces of bounded size."""

from __future__ import annotations

import gzip
import os
import random
import tracemalloc
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.feeds.reading.compression import BLOCK, StoredFile, contents
from calib.feeds.reading.days import Form
from calib.feeds.reading.members import ZSTD_BLOCK, GzipMember, ZstdFrame
from calib.importers.base import unseen
from calib.importers.opened import content_of

MIB = 1 << 20
BLANK = 48 * MIB
NOISE = random.Random(5).randbytes(2 * MIB).replace(b"\n", b"")


def repeats(blocks: int) -> bytes:
    """A frame of blank lines with 4 bytes a block, by hand: a window of 2 MiB and blocks of one repeated byte."""
    header = [ZSTD_BLOCK << 3 | 1 << 1 | (number == blocks - 1) for number in range(blocks)]
    return b"\x28\xb5\x2f\xfd\x00\x58" + b"".join(value.to_bytes(3, "little") + b"\n" for value in header)


def _zst(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


@pytest.mark.parametrize(
    ("form", "stored", "content"),
    [
        (Form.GZIP, lambda: gzip.compress(NOISE + b"\n" * BLANK, 1), lambda: NOISE + b"\n" * BLANK),
        (Form.ZSTD, lambda: _zst(NOISE + b"\n" * BLANK), lambda: NOISE + b"\n" * BLANK),
        (Form.ZSTD, lambda: repeats(384), lambda: b"\n" * BLANK),
        (Form.ZSTD, lambda: _zst(NOISE) + repeats(384), lambda: NOISE + b"\n" * BLANK),
    ],
)
@pytest.mark.parametrize("block", [BLOCK, 1 << 15])
def test_blank_lines_after_noise_come_in_bounded_blocks(
    form: Form, stored: Callable[[], bytes], content: Callable[[], bytes], block: int, tmp_path: Path
) -> None:
    path = tmp_path / "fills_20250101"
    path.write_bytes(stored())
    with StoredFile(path) as file:
        blocks = list(contents(file, form, block))
    assert max(map(len, blocks)) <= max(2 * block, 2 * ZSTD_BLOCK)
    assert b"".join(blocks) == content()


@pytest.mark.parametrize("stored", [lambda: repeats(384), lambda: _zst(NOISE + b"\n" * BLANK)])
def test_an_importers_file_is_not_held_in_memory(stored: Callable[[], bytes], tmp_path: Path) -> None:
    path = tmp_path / "log.zst"
    path.write_bytes(stored())
    size = 0
    tracemalloc.start()
    with content_of(path, "", unseen) as handle:
        while piece := handle.read(1 << 16):
            size += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size in (BLANK, len(NOISE) + BLANK)
    assert peak < 4 * MIB


def test_a_cut_importers_file_stays_cut(tmp_path: Path) -> None:
    path = tmp_path / "log.zst"
    path.write_bytes(_zst(NOISE)[:-1])
    with content_of(path, "", unseen) as handle:
        for _ in range(2):
            with pytest.raises(EOFError):
                deque(iter(lambda: handle.read(1 << 20), b""))


pieces_of_text = st.lists(
    st.tuples(st.sampled_from(["noise", "lines", "blank"]), st.integers(0, 200_000)), min_size=0, max_size=4
)


def _text(parts: list[tuple[str, int]]) -> bytes:
    made = {"noise": NOISE, "lines": b'{"ts":1.5}\n' * 20_000, "blank": b"\n" * 200_000}
    return b"".join(made[kind][:size] for kind, size in parts)


def _frame(text: bytes, checksum: bool, sized: bool, flushed: int) -> bytes:
    compressor = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=sized)
    if not flushed:
        return compressor.compress(text)
    stream = compressor.compressobj()
    stored = b""
    for begin in range(0, len(text), flushed):
        stored += stream.compress(text[begin : begin + flushed]) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return stored + stream.flush()


@settings(max_examples=60, deadline=None)
@given(
    pieces_of_text,
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 20_000]),
    st.lists(st.integers(1, 60_000), min_size=1, max_size=5),
    st.sampled_from([1 << 16, 1 << 18, 1 << 21]),
    st.sampled_from([b"", b"after it", b"\0" * 9]),
)
def test_any_cut_of_the_stored_bytes_gives_the_content(
    parts: list[tuple[str, int]],
    checksum: bool,
    sized: bool,
    flushed: int,
    cuts: list[int],
    limit: int,
    after: bytes,
) -> None:
    text = _text(parts)
    members: list[tuple[Any, bytes]] = [
        (GzipMember(), gzip.compress(text)),
        (ZstdFrame(), _frame(text, checksum, sized, flushed)),
    ]
    for member, whole in members:
        stored, found, turn = whole + after, [], 0
        while stored and not member.ended:
            size = cuts[turn % len(cuts)]
            found += list(member.feed(stored[:size], limit))
            stored, turn = stored[size:], turn + 1
        assert member.ended
        assert member.rest + stored == after
        assert b"".join(found) == text
        assert all(0 < len(piece) <= max(limit, 2 * ZSTD_BLOCK) for piece in found)


def test_a_frame_to_be_skipped_has_no_content() -> None:
    skipped = (0x184D2A50).to_bytes(4, "little") + (5).to_bytes(4, "little") + os.urandom(5)
    frame = ZstdFrame()
    assert list(frame.feed(skipped + repeats(2), 1 << 20)) == []
    assert (frame.ended, frame.rest) == (True, repeats(2))


def test_what_came_before_damage_is_given() -> None:
    stored = bytearray(_frame(NOISE[:MIB], True, True, 0))
    stored[-1] ^= 1  # of the checksum
    found: list[bytes] = []
    pieces = ZstdFrame().feed(bytes(stored), 1 << 18)
    with pytest.raises(zstandard.ZstdError):
        found.extend(pieces)
    assert b"".join(found) == NOISE[: len(b"".join(found))]
    assert len(b"".join(found)) >= MIB - 2 * ZSTD_BLOCK
