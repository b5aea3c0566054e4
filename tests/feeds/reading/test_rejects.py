"""The file of rejects: every line, once, in order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calib.feeds.reading.rejects import Reject, RejectWriter
from calib.feeds.schema.validation import RejectReason


def _reject(number: int) -> Reject:
    return Reject(number, RejectReason.BAD_VALUE, "qty", f"line {number}", "0 is not > 0")


def test_rejects_are_written_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    path = tmp_path / "rejects" / "fills_20250101.jsonl.rejects.jsonl"
    with RejectWriter(path) as writer:
        for number in range(1, 400):
            writer.add(_reject(number))
        writer.add_lines(_reject(400).encode() + _reject(401).encode())
        writer.add(_reject(402))
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert writer.count == 402
    assert [entry["line"] for entry in entries] == list(range(1, 403))
    assert entries[0] == {"line": 1, "reason": "bad_value", "field": "qty", "text": "line 1"}


def test_an_error_leaves_the_file_of_an_earlier_run(tmp_path: Path) -> None:
    path = tmp_path / "rejects" / "fills_20250101.jsonl.rejects.jsonl"
    with RejectWriter(path) as writer:
        writer.add(_reject(1))
    before = path.read_bytes()
    with pytest.raises(AttributeError), RejectWriter(path) as writer:
        writer.add(None)  # type: ignore[arg-type]
    assert path.read_bytes() == before


def test_a_file_without_rejects_has_no_file_of_them(tmp_path: Path) -> None:
    path = tmp_path / "rejects" / "fills_20250101.jsonl.rejects.jsonl"
    with RejectWriter(path) as writer:
        writer.add(_reject(1))
    with RejectWriter(path):
        pass
    assert not path.exists()
