"""Entries that no run of calib wrote."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import msgspec
import polars as pl
import pytest

from calib.dataset.finished.entry import DamagedEntry, EntryHeader, StoredEntry, encode, frame_bytes

SCHEMA = pl.Schema({"a": pl.Int64(), "b": pl.String()})
FRAME = pl.DataFrame({"a": [1, None], "b": ["x", "ü"]}, schema=SCHEMA)
HEADER = EntryHeader(format=1, key="k")


def store(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


def with_header(path: Path, header: bytes, *rest: bytes) -> Path:
    """An entry whose checksum of the header is right, whatever the header says."""
    magic = encode(HEADER, {})[0]
    return store(path, magic, len(header).to_bytes(8, "big"), hashlib.sha256(header).digest(), header, *rest)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = store(tmp_path / "e", *encode(HEADER, {"one": b"1", "none": b"", "frame": frame_bytes(FRAME)}))
    entry = StoredEntry.open(path, EntryHeader)
    assert (entry.header.key, entry.section("one"), entry.section("none"), entry.section("?")) == ("k", b"1", b"", b"")
    assert entry.frame("frame", SCHEMA).equals(FRAME)
    assert entry.frame("none", SCHEMA).equals(FRAME.clear())


def test_no_byte_may_change(tmp_path: Path) -> None:
    content = b"".join(encode(HEADER, {"one": b"some bytes"}))
    for place in range(0, len(content), 3):
        for changed in (content[:place], content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]):
            path = store(tmp_path / "e", changed)
            with pytest.raises(DamagedEntry):
                StoredEntry.open(path, EntryHeader).section("one")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'"\xff"',
        b'{"format": 1, "key": 5}',
        b'{"format": 1, "key": "k", "sections": {"one": [0, 1]}}',
    ],
)
def test_headers_that_are_none(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(DamagedEntry):
        StoredEntry.open(with_header(tmp_path / "e", header), EntryHeader)


@pytest.mark.parametrize(("offset", "size"), [(-1000, 4), (1 << 70, 4), (0, 1 << 62), (0, -1), (0, 5), (3, 4)])
def test_sections_that_lie_elsewhere(tmp_path: Path, offset: int, size: int) -> None:
    sections = {"one": [offset, size, hashlib.sha256(b"good").hexdigest()]}
    header = msgspec.json.encode({"format": 1, "key": "k", "sections": sections})
    path = with_header(tmp_path / "e", header, b"good")
    with pytest.raises(DamagedEntry):
        StoredEntry.open(path, EntryHeader).section("one")


def test_a_header_that_claims_to_be_endless(tmp_path: Path) -> None:
    path = store(tmp_path / "e", encode(HEADER, {})[0], b"\xff" * 40)
    with pytest.raises(DamagedEntry):
        StoredEntry.open(path, EntryHeader)


def test_rows_that_are_none(tmp_path: Path) -> None:
    other = io.BytesIO()
    FRAME.select("a").write_ipc(other)
    for content in (b"no Arrow", frame_bytes(FRAME)[:100], other.getvalue()):
        path = store(tmp_path / "e", *encode(HEADER, {"frame": content}))
        with pytest.raises(DamagedEntry):
            StoredEntry.open(path, EntryHeader).frame("frame", SCHEMA)
