"""What crosses a pipe is plain data, and no child looks for modules in the current directory."""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import calib
from calib.engines.messages import Answer, DecodeRequest
from calib.feeds.reading.chunks import ByteSpan
from calib.feeds.reading.packing import ColumnPlan, Packer
from calib.feeds.reading.pieces import Piece, packed
from calib.pipes import module_paths, receive, send
from tests.conftest import REPOSITORY
from tests.feeds.helpers import TS, line

SAMPLES = REPOSITORY / "sample_feeds"
HIJACKED = ("msgspec", "orjson", "struct", "zstandard", "polars", "calib", "array", "sitecustomize")


def _there_and_back(message: DecodeRequest | Answer) -> object:
    pipe = io.BytesIO()
    send(pipe, message)
    pipe.seek(0)
    return receive(pipe, type(message))


def test_a_request_is_the_same_on_the_other_side() -> None:
    plan = ColumnPlan("pipeline_ticks", int(TS), ("ts", "stage_latencies.fetch_md"))
    odd_name = Path(os.fsdecode(b"/feeds/\xff\xfe.jsonl"))
    for piece in (
        Piece(ByteSpan(0, 3), b"{}\n"),
        Piece(ByteSpan(7, 3, unended=True, oversized=True), None, odd_name, (2**63, -1)),
    ):
        found = _there_and_back(DecodeRequest.of(plan, piece))
        assert isinstance(found, DecodeRequest)
        assert (found.plan, found.piece) == (plan, piece)


@pytest.mark.parametrize("bad", [b"", b"not json\n", b"[]\n\xff\n"])
def test_an_answer_is_the_same_on_the_other_side(bad: bytes) -> None:
    plan = ColumnPlan("fills", int(TS), ("price", "side", "trade_id", "used_stale"))
    text = b"".join(line("fills", trade_id=f"\u00e4-{n}", used_stale=None) + b"\n" for n in range(3000)) + bad
    here = packed(Packer(plan), Piece(ByteSpan(0, len(text)), text))
    found = _there_and_back(Answer.of(here))
    assert isinstance(found, Answer)
    there = found.packed
    assert list(there.lines) == list(here.lines)
    for name in ("count", "used", "records", "slots", "tables", "texts", "rejects", "unknown"):
        assert getattr(there, name) == getattr(here, name), name


@pytest.mark.parametrize(
    "data", [b"", b"\x05", b"\x03" + bytes(7) + b"ab", b"\x02" + bytes(7) + b"\x80\x04", b"\x01" + bytes(8)]
)
def test_what_is_not_a_message_is_none(data: bytes) -> None:
    assert receive(io.BytesIO(data), Answer) is None


def test_a_child_looks_for_modules_where_we_do_but_for_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = tmp_path / "here", tmp_path / "other"
    here.mkdir()
    other.mkdir()
    monkeypatch.chdir(here)
    home = str(Path(calib.__file__).parent.parent)
    assert module_paths(["", ".", "relative", str(here), str(other), home]) == [str(other), home]
    monkeypatch.chdir(home)
    assert module_paths([home]) == [home], "calib itself must be found"


@pytest.mark.parametrize(
    "arguments",
    [
        ["aggregate", "--jobs", "2"],
        ["replay", "--fill", "callback", "--sweep", "md_cache.ttl_ms=20,60", "--jobs", "2", "--to", "20250101T210100"],
        ["policy", "check", ".", "--jobs", "2"],
    ],
    ids=["aggregate", "replay", "policy check"],
)
def test_no_module_of_the_current_directory_is_run(tmp_path: Path, arguments: list[str]) -> None:
    for name in HIJACKED:
        (tmp_path / f"{name}.py").write_text(f"open('HIJACKED-{name}', 'w')\nraise SystemExit\n")
    for number in range(250 if arguments[0] == "policy" else 0):  # enough for processes
        (tmp_path / f"own_{number}.py").write_text("x = 1\n")
    command = [str(Path(sys.executable).with_name("calib")), *arguments, "-q"]
    if arguments[0] != "policy":
        command += ["--feeds", str(SAMPLES), "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("HIJACKED-*")) == []


def test_nothing_in_calib_reads_or_writes_pickles() -> None:
    """Whatever could call a function that a message names: pickle and its kin, or multiprocessing, which uses them."""
    forbidden = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "multiprocessing", "_pickle"}
    for path in (REPOSITORY / "calib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & forbidden, path
