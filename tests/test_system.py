"""Systems that lack what Linux has: locks of other kinds, no forks, no set of cores."""

from __future__ import annotations

import ast
import ctypes
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from calib import system
from calib.errors import LockHeld
from calib.files import locked
from tests.conftest import REPOSITORY

SAMPLES = REPOSITORY / "sample_feeds"
NOT_EVERYWHERE = {
    "os": {
        "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "fork", "getuid", "geteuid", "getgid", "fchmod", "chown", "pread",
        "pwrite", "posix_fadvise", "posix_fallocate", "register_at_fork", "sched_getaffinity", "sched_setaffinity",
        "sendfile", "setsid", "killpg", "getpgid", "sync", "uname", "memfd_create", "copy_file_range", "getloadavg",
        "O_DIRECTORY", "O_TMPFILE", "mkfifo", "nice", "wait", "waitpid", "statvfs", "fdatasync", "preadv", "pipe2",
    },
    "signal": {
        "SIGALRM", "SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE", "ITIMER_REAL", "setitimer", "alarm",
        "pthread_kill", "pthread_sigmask", "sigwait",
    },
    "socket": {"AF_UNIX"},
    "time": {"tzset", "clock_gettime"},
}  # fmt: skip
"""What is absent on macOS or Windows."""
ABSENT_MODULES = {"fcntl", "pwd", "grp", "resource", "termios", "posix", "msvcrt", "tty", "pty", "syslog"}
GUARDED = {"calib/system.py", "calib/cli/signals.py", "calib/cli/main.py"}
"""Where such calls stand, each behind a look whether it is there."""


def test_what_only_some_systems_have_is_called_in_one_place() -> None:
    found = []
    for path in sorted((REPOSITORY / "calib").rglob("*.py")):
        name = path.relative_to(REPOSITORY).as_posix()
        if name in GUARDED:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id=module), attr=attribute):
                    if attribute in NOT_EVERYWHERE.get(module, ()):
                        found.append(f"{name}:{node.lineno} {module}.{attribute}")
                case ast.Import(names=names):
                    found += [f"{name}:{node.lineno} {one.name}" for one in names if one.name in ABSENT_MODULES]
                case ast.ImportFrom(module=module) if module in ABSENT_MODULES:
                    found.append(f"{name}:{node.lineno} {module}")
    assert found == []


WITHOUT = """
import os, signal, sys, subprocess, tempfile, threading, concurrent.futures, logging, shutil, zipfile, asyncio, random
for name in ("fcntl", "pwd", "grp", "resource", "termios", "msvcrt"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "pread", "pwrite", "register_at_fork", "getuid", "geteuid", "O_NOFOLLOW", "O_CLOEXEC",
             "O_NONBLOCK", "fork", "fchmod", "posix_fadvise", "setsid", "killpg"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGALRM", "setitimer", "ITIMER_REAL", "SIGHUP", "SIGUSR1", "alarm"):
    delattr(signal, name)
"""
COMMANDS = """
from calib.cli.main import run
from calib import FillLogger
feeds, out = sys.argv[1], sys.argv[2]
codes = {
    "aggregate": run(["aggregate", "--feeds", feeds, "--out", out, "--jobs", "2", "--format", "json,parquet", "-q"]),
    "summary": run(["summary", "--out", out, "-q"]),
    "check": run(["check", feeds, "--out", out, "-q"]),
    "config": run(["config", "-q"]),
    "canary": run(["canary", "check", "--feeds", feeds, "--out", out, "-q"]),
    "simulate": run(["simulate", "--out", out + "/sim", "--symbols", "1", "--from", "2025-01-01T00:00",
                     "--to", "2025-01-01T00:02", "-q"]),
}
with FillLogger(out + "/feeds") as fills:
    fills.log(ts=1735689600.0, symbol="B", side="buy", price=1.0, qty=1.0, liquidity="maker")
print(codes)
assert set(codes.values()) <= {0, 1}, codes
assert codes["aggregate"] == 0
assert open(out + "/feeds/fills_20250101.jsonl").read().count("\\n") == 1
"""


def test_the_commands_work_without_what_only_linux_has(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT + COMMANDS, str(SAMPLES), str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_reading_rooms_import_where_nothing_can_be_locked() -> None:
    """As on a system with neither kind of lock: all of calib can be imported, and locks are no-ops."""
    names = [
        path.relative_to(REPOSITORY).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for path in (REPOSITORY / "calib").rglob("*.py")
        if path.name != "__main__.py"
    ]
    code = f"{WITHOUT}\nimport importlib\nfor name in {names!r}:\n    importlib.import_module(name)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_cores_are_counted_without_a_set_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert system.cores() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert system.cores() == 1


def test_reads_and_writes_at_a_place_leave_the_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for absent in ((), ("pread", "pwrite")):
        for name in absent:
            monkeypatch.delattr(os, name)
        path = tmp_path / "f"
        path.write_bytes(b"0123456789")
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.lseek(descriptor, 3, os.SEEK_SET)
            assert system.read_at(descriptor, 4, 5) == b"5678"
            assert system.write_at(descriptor, b"AB", 8) == 2
            assert system.read_at(descriptor, 99, 7) == b"7AB"
            assert os.lseek(descriptor, 0, os.SEEK_CUR) == 3
        finally:
            os.close(descriptor)


class Msvcrt:
    """The two calls of Windows, with its errors: one holder a byte, whoever asks."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], int] = {}
        self.moments: list[Callable[[], None]] = []

    def locking(self, descriptor: int, mode: int, size: int) -> None:
        key = os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)
        assert size == 1
        if mode == self.LK_UNLCK:
            del self.held[key]
            return
        if self.moments:
            self.moments.pop(0)()
        if key in self.held:
            raise PermissionError(errno.EACCES, "Permission denied")
        self.held[key] = descriptor


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Msvcrt:
    fake = Msvcrt()
    monkeypatch.setattr(system, "_fcntl", None)
    monkeypatch.setattr(system, "_msvcrt", fake)
    return fake


def test_the_lock_of_windows_holds_others_off_and_leaves_the_content_readable(tmp_path: Path, windows: Msvcrt) -> None:
    with locked(tmp_path):
        (place,) = windows.held
        assert place[1] > 1 << 32, "a locked byte cannot be read there: it lies behind the content"
        with pytest.raises(LockHeld, match=f"process {os.getpid()}"), locked(tmp_path):
            pass
    windows.held.clear()  # the system does so when the file is closed
    with locked(tmp_path):
        pass


def test_a_lock_that_may_wait_is_taken_when_the_other_lets_go(tmp_path: Path, windows: Msvcrt) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x")
    one, other = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    system.lock(one)
    windows.moments = [lambda: None, lambda: None, lambda: system.unlock(one)]
    system.lock(other)
    assert list(windows.held.values()) == [other]
    assert windows.moments == []
    with pytest.raises(BlockingIOError):
        system.lock(one, wait=False)
    for descriptor in (one, other):
        os.close(descriptor)


def test_a_lock_that_the_file_system_refuses_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(system, "_fcntl", None)
    monkeypatch.setattr(system, "_msvcrt", SimpleNamespace(locking=refuse, LK_NBLCK=2))
    with (tmp_path / "f").open("w") as handle, pytest.raises(OSError, match="No locks"):
        system.lock(handle.fileno())


def test_a_pipe_or_a_directory_is_not_read_as_a_file(tmp_path: Path) -> None:
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_bytes(b"content")
    link.symlink_to(file)
    assert system.read_regular(link) == b"content", "people link their configuration"
    for path, words in ((pipe, "named pipe"), (tmp_path, "directory"), (Path("/dev/null"), "device")):
        with pytest.raises(OSError, match=words):
            system.read_regular(path)


_FREED = """
import ctypes
from calib import system
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20

{call}
libc.free(libc.malloc(24 << 20))  # from now on glibc keeps blocks of less than that
blocks = [libc.malloc(4 << 20) for _ in range(20)]
last = libc.malloc(512 << 10)  # what lies behind them keeps the heap from shrinking
for block in blocks:
    ctypes.memset(block, 1, 4 << 20)
full = resident_mb()
for block in blocks:
    libc.free(block)
print(round(full - resident_mb()))
"""


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="a setting of glibc")
def test_large_blocks_that_are_freed_go_back_to_the_system() -> None:
    """80 MB in 20 blocks of 4 MiB."""
    back = [
        int(subprocess.run([sys.executable, "-c", _FREED.format(call=call)], capture_output=True, check=True).stdout)
        for call in ("", "system.return_large_blocks()")
    ]
    assert back[0] < 10
    assert back[1] >= 79


def test_a_c_library_without_that_setting_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    system.return_large_blocks()
