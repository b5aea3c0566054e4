"""The example of the how-to runs as it stands and prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_example_runs_and_prints_what_the_page_says(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs/how-to/log-feeds-from-a-bot.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.stdout == printed
    names = {path.name for path in (tmp_path / "artifacts/edge/feeds").iterdir()}
    assert {re.sub(r"\d{8}", "DAY", name) for name in names} == {"fills_DAY.jsonl", "pipeline_ticks_DAY.jsonl"}
