"""The how-tos' complete examples run as they stand and print what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HOW_TO = REPOSITORY / "docs" / "how-to"


@pytest.mark.parametrize(
    "page",
    [
        "embed-the-cache.md",
        "embed-in-a-bot.md",
        "embed-the-smart-cache.md",
        "replay-a-recording.md",
        "respond-to-a-cache-violation.md",
        "calibrate-quotes.md",
        "watch-a-bot.md",
    ],
)
def test_the_example_runs_and_prints_what_the_page_says(page: str, tmp_path: Path) -> None:
    text = (HOW_TO / page).read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    printed = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert program is not None
    assert printed is not None
    script = tmp_path / "embed.py"
    script.write_text(program.group(1), encoding="utf-8")
    command = [sys.executable, "-W", "error", str(script)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPOSITORY)
    assert result.stderr == ""
    assert result.stdout == printed.group(1)
