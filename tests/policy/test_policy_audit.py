"""The audit: bounded, whole lines, a torn one ended first."""

from __future__ import annotations

import json
from pathlib import Path

from calib.policy.audit import PolicyAudit, append_line, read_lines


def test_a_torn_line_of_a_killed_process_is_ended_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    append_line(path, {"n": 1})
    with path.open("ab") as handle:
        handle.write(b'{"n": 2, "half')
    append_line(path, {"n": 3})
    assert path.read_bytes().splitlines()[1] == b'{"n": 2, "half'
    assert [record["n"] for record in read_lines(path)] == [1, 3]


def test_the_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = PolicyAudit(path, keep=10, max_bytes=1000)
    for number in range(500):
        audit.append({"n": number})
    sizes = [part.stat().st_size for part in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert sum(sizes) <= 2000
    kept = [record["n"] for record in read_lines(path)]
    assert kept == list(range(kept[0], 500))
    assert [record["n"] for record in audit.recent] == list(range(490, 500))


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    path = tmp_path / "audit.jsonl"
    path.symlink_to(target)
    audit = PolicyAudit(path)
    assert audit.append({"n": 1}) is False
    assert target.read_text() == "untouched"


def test_records_are_ascii_json(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    append_line(path, {"reason": "Straße \u2028", "path": Path("x")})
    assert json.loads(path.read_bytes().decode("ascii"))["reason"] == "Straße \u2028"


def test_no_file_is_no_record(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "missing.jsonl") == []
