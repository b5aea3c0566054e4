"""Writing whole or not at all, under a lock that dies with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

import pytest

from calib.errors import LockHeld, UnwritableOutput
from calib.files import LOCK_NAME, AnonymousTempFile, locked, write_atomic


def test_writes_and_says_whether_it_changed(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.json"
    assert write_atomic(target, b"one") is True
    before = target.stat().st_mtime_ns, target.stat().st_ino
    assert write_atomic(target, b"one") is False
    assert (target.stat().st_mtime_ns, target.stat().st_ino) == before
    assert write_atomic(target, b"two") is True
    assert target.read_bytes() == b"two"


def test_a_failing_writer_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_atomic(target, b"old")

    def fail(handle: BinaryIO) -> None:
        handle.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(target, fail)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(UnwritableOutput, match="cannot be written") as caught:
        write_atomic(tmp_path / "out" / "file", b"x")
    assert str(tmp_path / "out") in caught.value.where


def test_lock_is_held_against_a_second_process_and_freed_by_its_death(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from calib.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockHeld, match=f"process {holder.pid}") as caught, locked(tmp_path):
            pass
        assert caught.value.exit_code == 75
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    with locked(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text().strip() == str(os.getpid())


def test_what_a_nameless_file_was_given_stands_where_it_said(tmp_path: Path) -> None:
    file = AnonymousTempFile(tmp_path / "new")
    assert not (tmp_path / "new").exists()  # not before it is needed
    assert [file.append(b"one"), file.append(b"three")] == [0, 3]
    assert (file.size, file.read(3, 5), file.read(1, 4), file.read(6, 100), file.read(8, 1)) == (
        8, b"three", b"neth", b"ee", b"",
    )  # fmt: skip
    assert list((tmp_path / "new").iterdir()) == []
    file.close()
    file.close()


def test_a_temporary_directory_that_takes_nothing_is_a_named_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> object:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", nowhere)
    with pytest.raises(UnwritableOutput, match=r"cannot create or write a temporary file: No usable .* TMPDIR"):
        AnonymousTempFile().append(b"x")


def test_temporary_files_of_killed_writers_are_swept_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    import fcntl

    target = tmp_path / "state.json"
    left, alive = tmp_path / ".state.json.aa.tmp", tmp_path / ".state.json.bb.tmp"
    other = tmp_path / ".other.json.aa.tmp"
    for path in (left, alive, other):
        path.write_bytes(b"half")
    with alive.open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        write_atomic(target, b"new")
        assert (target.read_bytes(), left.exists(), alive.exists(), other.exists()) == (b"new", False, True, True)
    write_atomic(target, b"newer")
    assert not alive.exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".calib.lock").symlink_to(victim)
    with pytest.raises(UnwritableOutput), locked(tmp_path / "out"):
        pass
    assert victim.read_text() == "precious"
