"""Real processes, killed with real signals at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from calib import FillLogger

VICTIM = Path(__file__).with_name("victim.py")
ROUNDS = 25


@contextmanager
def child_of(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A child that is killed after a minute, which ends every read of its output, and whatever happens to the test."""
    child = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(VICTIM.parents[3])}
    )
    late = threading.Timer(60, child.kill)
    late.start()
    try:
        yield child
    finally:
        late.cancel()
        child.kill()
        child.communicate()


def killed(directory: Path, number: signal.Signals, seed: int, *, background: bool, signals: bool) -> dict[str, int]:
    """Run the victim, kill it a random moment after it is ready; the last numbers that it said."""
    with child_of(str(VICTIM), str(directory), str(int(background)), str(int(signals)), str(seed)) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready 0\n"
        # The pipe holds 64 KiB, some thousand words of the child: far more than it says in this time.
        time.sleep(random.Random(seed).uniform(0.0, 0.04))
        child.send_signal(number)
        said = child.stdout.read().decode().splitlines()
        assert child.wait() == -number
    last = {"accepted": 0, "flushed": 0}
    for word in said:
        what, _, count = word.partition(" ")
        if count.isdigit() and word:
            last[what] = int(count)
    return last


def numbers(directory: Path, *, repaired: bool) -> list[int]:
    """The trade ids of all files, in order of number; at most one file's last line may be partial."""
    found, partial = [], 0
    for path in sorted(directory.glob("*.jsonl")):
        *whole, rest = path.read_bytes().split(b"\n")
        found += [int(json.loads(line)["trade_id"]) for line in whole]
        partial += bool(rest)
    assert partial <= (0 if repaired else 1)
    return sorted(found)


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("batch", range(5))
def test_after_sigkill_nothing_before_the_last_flush_is_lost(tmp_path: Path, batch: int, background: bool) -> None:
    for seed in range(batch * ROUNDS // 5, (batch + 1) * ROUNDS // 5):
        directory = tmp_path / str(seed)
        said = killed(directory, signal.SIGKILL, seed, background=background, signals=False)
        found = numbers(directory, repaired=False)
        safe = said["flushed"] if background else said["accepted"]
        assert found[:safe] == list(range(1, safe + 1))
        assert len(set(found)) == len(found)
        with FillLogger(directory, background=False) as fills:
            for ts in (1735775999.5, 1735776000.5):
                fills.log({"ts": ts, "symbol": "B", "side": "buy", "price": 1, "qty": 1, "liquidity": "maker",
                           "trade_id": "1000000"})  # fmt: skip
        assert [n for n in numbers(directory, repaired=True) if n != 1000000][: len(found)] == found


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("batch", range(5))
def test_after_sigterm_nothing_accepted_is_lost(tmp_path: Path, batch: int, background: bool) -> None:
    for seed in range(batch * ROUNDS // 5, (batch + 1) * ROUNDS // 5):
        directory = tmp_path / str(seed)
        said = killed(directory, signal.SIGTERM, seed, background=background, signals=True)
        found = numbers(directory, repaired=True)
        # The record that was under way when the signal came may be in the file before it was said to be accepted.
        assert found in (list(range(1, said["accepted"] + 1)), list(range(1, said["accepted"] + 2)))


THREADS = """
import os, sys, threading
from calib import FillLogger
fills = FillLogger(sys.argv[1], flush_interval_s=0.002, install_signal_handlers=True, capacity=64)
def work(worker):
    number = worker * 1_000_000
    while True:
        number += 1
        fills.log(dict(ts=1735775999.5 + number % 2, symbol="B", side="buy", price=1, qty=1, liquidity="maker",
                       trade_id=str(number)))
        os.write(1, b"accepted %d\\n" % number)
threading.excepthook = lambda args: None
for worker in range(3):
    threading.Thread(target=work, args=(worker,), daemon=True).start()
os.write(1, b"ready 0\\n")
while True:
    fills.stats
    fills.flush()
"""


@pytest.mark.parametrize("seed", range(8))
def test_sigterm_amid_threads_that_log_loses_nothing_accepted(tmp_path: Path, seed: int) -> None:
    with child_of("-c", THREADS, str(tmp_path)) as child:
        assert child.stdout is not None
        said = [child.stdout.readline()]
        time.sleep(random.Random(seed).uniform(0.0, 0.02))
        child.send_signal(signal.SIGTERM)
        said += child.stdout.read().splitlines()
        assert child.wait() == -signal.SIGTERM
    accepted = {int(word.split()[1]) for word in said if word.startswith(b"accepted ")}
    found = numbers(tmp_path, repaired=True)
    assert len(set(found)) == len(found)
    assert accepted <= set(found)


@pytest.mark.parametrize("end", ["sys.exit()", "pass", "raise SystemExit(3)", "1 / 0"])
def test_at_the_end_of_the_process_everything_accepted_is_written(tmp_path: Path, end: str) -> None:
    program = f"""
from calib import FillLogger
import sys
fills = FillLogger({str(tmp_path)!r}, flush_interval_s=3600)
for number in range(1, 501):
    fills.log(dict(ts=1735775999.5 + number % 2, symbol="B", side="buy", price=1, qty=1, liquidity="maker",
                   trade_id=str(number)))
{end}
"""
    subprocess.run([sys.executable, "-c", program], stderr=subprocess.DEVNULL, check=False, timeout=60)
    assert numbers(tmp_path, repaired=True) == list(range(1, 501))


HANDLER = """
import os, signal, sys, threading
from calib import FillLogger
fill = lambda n: dict(ts=1735775999.5, symbol="B", side="buy", price=1, qty=1, liquidity="maker", trade_id=str(n))
def shutdown(number, frame):
    fills.log(fill(2))
    sys.stdout.write("shutdown\\n")
    sys.exit(7)
PREVIOUS
fills = FillLogger(sys.argv[1], flush_interval_s=3600, install_signal_handlers=True)
FillLogger(sys.argv[1], install_signal_handlers=True).close()
fills.log(fill(1))
os.kill(os.getpid(), signal.SIGTERM)
fills.log(fill(3))
"""


@pytest.mark.parametrize(
    ("previous", "code", "expected"),
    [
        ("signal.signal(signal.SIGTERM, shutdown)", 7, [1, 2]),  # chained: it may log its last fill
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", 0, [1, 3]),  # ignored before, ignored still
        ("", -signal.SIGTERM, [1]),
    ],
)
def test_the_previous_sigterm_handler_is_chained(tmp_path: Path, previous: str, code: int, expected: list[int]) -> None:
    program = HANDLER.replace("PREVIOUS", previous)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=False, stdout=subprocess.PIPE, timeout=60
    )
    assert done.returncode == code
    assert numbers(tmp_path, repaired=True) == expected
    assert done.stdout.count(b"shutdown") == (1 if code == 7 else 0)


FORK = """
import multiprocessing, os, sys
from calib import FillLogger
fill = lambda n: dict(ts=1735775999.5, symbol="B", side="buy", price=1, qty=1, liquidity="maker", trade_id=str(n))
fills = FillLogger(sys.argv[1], flush_interval_s=3600, background=sys.argv[2] == "1")
def child():
    assert fills.stats.accepted == 0
    for number in range(1001, 1301):
        fills.log(fill(number))
for number in range(1, 301):
    fills.log(fill(number))
if sys.argv[3] == "raw":
    pid = os.fork()
    if pid == 0:
        child()
        fills.close()
        os._exit(0)
    os.waitpid(pid, 0)
else:
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
for number in range(301, 401):
    fills.log(fill(number))
"""


@pytest.mark.parametrize("background", ["1", "0"])
@pytest.mark.parametrize("way", ["raw", "multiprocessing"])
def test_a_fork_neither_loses_nor_doubles(tmp_path: Path, background: str, way: str) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK, str(tmp_path), background, way], check=True, timeout=60)
    assert numbers(tmp_path, repaired=True) == [*range(1, 401), *range(1001, 1301)]
