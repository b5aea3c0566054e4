"""Writing whole or not at all, under a lock that dies with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from calib.errors import LockHeld, UnwritableOutput
from calib.files import LOCK_NAME, locked, write_atomic


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
