"""kill -9 amid each step, with real processes: the latch holds, the next process runs the whole procedure."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calib.cli.main import run
from calib.policy.emergency import EmergencyStore

STEPS = ["stop_trading", "disable_cache", "enable_fresh_api_mode", "cached_trading_data"]


def start(directory: Path, what: str, hang: str) -> subprocess.Popen[str]:
    bot = Path(__file__).with_name("bot.py")
    return subprocess.Popen(
        [sys.executable, str(bot), str(directory), what, hang],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def lines_until(process: subprocess.Popen[str], word: str) -> list[str]:
    """What it prints, up to that line."""
    assert process.stdout is not None
    seen: list[str] = []
    for line in process.stdout:
        seen.append(line.strip())
        if seen[-1] == word:
            return seen
    raise AssertionError(f"it ended without {word}: {seen}")


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()


def resume(directory: Path) -> int:
    return run(["policy", "resume", "--state", str(directory), "--reason", "fixed", "--paper-traded-until", "now"])


@pytest.mark.parametrize("step", STEPS)
def test_killed_amid_a_step_the_latch_holds_until_the_procedure_is_done_and_an_operator_resumes(
    tmp_path: Path, step: str
) -> None:
    bot = start(tmp_path, "violate", step)
    assert lines_until(bot, step) == ["allowed", *STEPS[: STEPS.index(step) + 1]]
    kill(bot)
    assert EmergencyStore(tmp_path).load().latched is not None
    assert resume(tmp_path) == 1  # the procedure has not been completed

    bot = start(tmp_path, "recover", "nothing")
    assert lines_until(bot, "recovered") == ["latched", *STEPS, "recovered"]
    kill(bot)
    assert resume(tmp_path) == 0
    assert EmergencyStore(tmp_path).load().latched is None

    bot = start(tmp_path, "recover", "nothing")
    assert lines_until(bot, "recovered") == ["allowed", "recovered"]
    kill(bot)


def test_killed_at_random_moments_no_stop_is_without_its_latch(tmp_path: Path) -> None:
    rng = random.Random(17)
    for number in range(8):
        directory = tmp_path / str(number)
        bot = start(directory, "violate", "stop_trading")
        lines_until(bot, "allowed")
        time.sleep(rng.uniform(0, 0.02))
        bot.kill()
        assert bot.stdout is not None
        said = bot.stdout.read().split()
        kill(bot)
        latched = EmergencyStore(directory).load().latched is not None  # never damaged, whatever the moment
        assert latched or said == []
