"""When the disk is told to hold the lines, and that every refusal of it is told to a caller."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from calib import FillLogger
from calib.errors import SinkClosed, SinkFailed
from calib.feeds.writers.channel import BackgroundChannel, Channel
from calib.feeds.writers.encoding import Line
from calib.feeds.writers.rotation import MemorySink

NEW_YEAR = 1_735_689_600.0
DAY = "fills_20250101.jsonl"


def fill(number: int, ts: float = NEW_YEAR) -> dict[str, Any]:
    return {"ts": ts, "symbol": "B", "side": "buy", "price": 1, "qty": 1, "liquidity": "maker", "trade_id": str(number)}


class Fsyncs:
    """What was synced: of each call the file's name and its size at that moment."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, int]] = []
        self._directory = directory
        monkeypatch.setattr(os, "fsync", self._fsync)

    def _fsync(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        names = [path.name for path in self._directory.iterdir() if path.stat().st_ino == status.st_ino]
        self.calls.append((names[0] if names else "", status.st_size))

    def take(self) -> list[tuple[str, int]]:
        taken, self.calls = self.calls, []
        return taken


@pytest.fixture
def fsyncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fsyncs:
    return Fsyncs(tmp_path, monkeypatch)


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The monotonic clock of the fsync policy, in nanoseconds."""
    now = [1_000_000_000_000]
    monkeypatch.setattr("calib.feeds.writers.rotation.time.monotonic_ns", lambda: now[0])
    return now


def size(directory: Path, name: str = DAY) -> int:
    return (directory / name).stat().st_size


@pytest.mark.parametrize("background", [True, False])
def test_never_leaves_the_disk_to_the_system(tmp_path: Path, fsyncs: Fsyncs, background: bool) -> None:
    with FillLogger(tmp_path, background=background, fsync="never") as fills:
        for ts in (NEW_YEAR, NEW_YEAR + 86_400, NEW_YEAR + 2 * 86_400):  # the third day closes the first
            fills.log(fill(1, ts))
        fills.flush()
    assert fsyncs.take() == []


def test_always_syncs_each_write_before_log_returns(tmp_path: Path, fsyncs: Fsyncs) -> None:
    with FillLogger(tmp_path, background=False, fsync="always") as fills:
        for number in range(3):
            fills.log(fill(number))
            assert fsyncs.take() == [(DAY, size(tmp_path))]


def test_always_in_the_background_syncs_without_a_flush(tmp_path: Path, fsyncs: Fsyncs) -> None:
    with FillLogger(tmp_path, fsync="always", flush_interval_s=0.001) as fills:
        fills.log(fill(1))
        waited = threading.Event()
        for _ in range(500):
            if fsyncs.calls or waited.wait(0.01):
                break
        assert fsyncs.take()[-1] == (DAY, size(tmp_path))


def test_interval_syncs_once_a_second_while_there_is_something_to_sync(
    tmp_path: Path, fsyncs: Fsyncs, still_clock: list[int]
) -> None:
    with FillLogger(tmp_path, background=False, fsync="interval") as fills:
        fills.log(fill(1))
        still_clock[0] += 999_999_999
        fills.log(fill(2))
        assert fsyncs.take() == []
        still_clock[0] += 1
        fills.log(fill(3))
        assert fsyncs.take() == [(DAY, size(tmp_path))]
        still_clock[0] += 999_999_999
        fills.log(fill(4))
        assert fsyncs.take() == []


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("end", ["flush", "close"])
def test_what_flush_and_close_return_from_is_on_the_disk(
    tmp_path: Path, fsyncs: Fsyncs, still_clock: list[int], background: bool, end: str
) -> None:
    fills = FillLogger(tmp_path, background=background, flush_interval_s=3600)
    fills.log(fill(1))
    getattr(fills, end)()
    assert fsyncs.take() == [(DAY, size(tmp_path))]
    fills.flush()
    assert fsyncs.take() == [], "nothing new, nothing to sync"
    fills.close()


def test_every_day_with_unsynced_lines_is_synced_and_one_that_is_closed_too(
    tmp_path: Path, fsyncs: Fsyncs, still_clock: list[int]
) -> None:
    with FillLogger(tmp_path, background=False) as fills:
        fills.log(fill(1))
        fills.log(fill(2, NEW_YEAR + 86_400))
        fills.flush()
        assert fsyncs.take() == [(DAY, size(tmp_path)), ("fills_20250102.jsonl", size(tmp_path))]
        fills.log(fill(3))
        fills.log(fill(4, NEW_YEAR + 2 * 86_400))
        assert fsyncs.take() == [(DAY, size(tmp_path))], "the third day closes the first"


def test_a_cut_tail_is_on_the_disk_before_it_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / DAY
    path.write_bytes(b'{"trade_id":"7"}\nhalf')
    steps: list[tuple[str, bytes]] = []

    def fsync(descriptor: int) -> None:
        saved = tmp_path / f"{DAY}.tail-1"
        if os.fstat(descriptor).st_ino == saved.stat().st_ino:
            steps.append(("fsync", saved.read_bytes()))

    def ftruncate(descriptor: int, length: int, real: Callable[[int, int], None] = os.ftruncate) -> None:
        steps.append(("cut", path.read_bytes()[length:]))
        real(descriptor, length)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "ftruncate", ftruncate)
    with FillLogger(tmp_path, background=False, fsync="never") as fills:
        fills.log(fill(1))
    assert steps == [("fsync", b"half"), ("cut", b"half")]


class FailingSink(MemorySink):
    """A disk that refuses once ``failing`` is set; ``tried`` says that a write was."""

    def __init__(self) -> None:
        super().__init__()
        self.failing, self.tried = True, threading.Event()

    def write(self, lines: Sequence[Line]) -> None:
        try:
            if self.failing:
                raise SinkFailed("no room")
            super().write(lines)
        finally:
            self.tried.set()


def failing(sink: FailingSink) -> BackgroundChannel:
    channel = BackgroundChannel(sink, None, 10, "block", 0.001)
    channel.put((1, b"lost"))
    sink.tried.wait()
    return channel


def test_a_refusal_in_the_background_is_told_by_the_next_put_whose_line_is_not_taken() -> None:
    sink = FailingSink()
    channel = failing(sink)
    sink.failing = False

    def put_many() -> None:
        for _ in range(1000):  # told by one of the first: the writer is still counting, perhaps
            channel.put((1, b"kept"))

    with pytest.raises(SinkFailed, match="no room"):
        put_many()
    channel.flush()
    counts = channel.counts
    assert (counts.lost, counts.written) == (1, len(sink.lines))
    channel.close()


@pytest.mark.parametrize("end", ["flush", "close"])
def test_a_refusal_in_the_background_is_told_by_flush_and_close(end: str) -> None:
    channel = failing(FailingSink())
    with pytest.raises(SinkFailed, match="no room"):
        getattr(channel, end)()
    channel.close()  # told once
    assert channel.counts.lost == 1


def test_a_refusal_is_told_once_until_a_write_succeeds_and_then_again() -> None:
    sink = FailingSink()
    channel = Channel(sink)
    with pytest.raises(SinkFailed):
        channel.put((1, b"1"))
    assert channel.put((1, b"2")), "still refused, and counted"
    sink.failing = False
    channel.put((1, b"3"))
    sink.failing = True
    with pytest.raises(SinkFailed):
        channel.put((1, b"4"))
    assert (channel.counts.lost, channel.counts.written, channel.counts.accepted) == (3, 1, 4)


class RefusingSync(MemorySink):
    def sync(self) -> None:
        raise SinkFailed("the disk is gone")

    close = sync


@pytest.mark.parametrize("make", [Channel, lambda sink: BackgroundChannel(sink, None, 10, "block", 3600)])
@pytest.mark.parametrize("end", ["flush", "close"])
def test_a_refused_sync_is_told(make: Callable[[MemorySink], Channel], end: str) -> None:
    channel = make(RefusingSync())
    channel.put((1, b"1"))
    with pytest.raises(SinkFailed, match="gone"):
        getattr(channel, end)()


def test_a_closed_logger_takes_nothing_and_says_so(tmp_path: Path) -> None:
    for background in (True, False):
        fills = FillLogger(tmp_path, background=background)
        fills.close()
        with pytest.raises(SinkClosed):
            fills.log(fill(1))
        assert fills.closed
    assert list(tmp_path.iterdir()) == []


class ClosesFirst(deque[Line]):
    """A queue in which a line arrives just after another thread closed the channel."""

    def __init__(self, channel: BackgroundChannel) -> None:
        super().__init__()
        self._channel = channel

    def append(self, line: Line) -> None:
        closing = threading.Thread(target=self._channel.close)
        closing.start()
        closing.join()
        super().append(line)


@pytest.mark.parametrize("used", [True, False])
def test_a_line_taken_in_the_moment_of_the_close_is_written(used: bool) -> None:
    sink = MemorySink()
    channel = BackgroundChannel(sink, None, 10, "block", 3600)
    if used:
        channel.put((1, b"before"))
    channel.flush()
    channel._queue = ClosesFirst(channel)
    assert channel.put((1, b"late"))
    assert [text for _, text in sink.lines] == ([b"before"] if used else []) + [b"late"]


def test_a_put_that_waits_for_room_ends_with_the_close() -> None:
    begun, go = threading.Event(), threading.Event()

    class Held(MemorySink):
        def write(self, lines: Sequence[Line]) -> None:
            begun.set()
            go.wait()
            super().write(lines)

    sink = Held()
    channel = BackgroundChannel(sink, None, 1, "block", 0.001)
    channel.put((1, b"held"))
    begun.wait()
    channel.put((1, b"waits"))
    outcome: list[object] = []

    def put() -> None:
        try:
            outcome.append(channel.put((1, b"no room")))
        except SinkClosed as error:
            outcome.append(error)

    waiting = threading.Thread(target=put)
    waiting.start()
    closing = threading.Thread(target=channel.close)
    closing.start()
    waiting.join(10)
    go.set()
    closing.join(10)
    assert [type(found) for found in outcome] == [SinkClosed]
    assert [text for _, text in sink.lines] == [b"held", b"waits"]


def test_a_writer_that_failed_is_replaced_and_its_lines_are_not_waited_for_without_end() -> None:
    class Broken(MemorySink):
        def sync_if_due(self) -> None:
            if not self.lines:
                return
            raise ZeroDivisionError

    raised: list[object] = []
    loud, sys.unraisablehook = sys.unraisablehook, lambda args: raised.append(args.exc_type)
    try:
        channel = BackgroundChannel(Broken(), None, 2, "block", 0.001)
        for number in range(50):
            channel.put((1, b"%d" % number))
        channel.close()
    finally:
        sys.unraisablehook = loud
    assert [text for _, text in channel._sink.lines] == [b"%d" % n for n in range(50)]  # type: ignore[attr-defined]
    assert ZeroDivisionError in raised


FORKED = """
import os, sys
from calib import FillLogger
fill = lambda n: dict(ts=1735689600.0, symbol="B", side="buy", price=1, qty=1, liquidity="maker", trade_id=str(n))
fills = FillLogger(sys.argv[1], background=sys.argv[2] == "1")
fills.log(fill(1)); fills.flush()
def held_now():
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            pass
    return sum("fills_2025" in name for name in found)
assert held_now() == 1
if os.fork() == 0:
    os._exit(held_now())
_, status = os.wait()
assert os.waitstatus_to_exitcode(status) == 0, "the child holds the parent's file"
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system has no /proc")
@pytest.mark.parametrize("background", ["1", "0"])
def test_a_forked_child_lets_go_of_the_files_of_its_parent(tmp_path: Path, background: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path), background]
    subprocess.run(command, check=True, timeout=60)
