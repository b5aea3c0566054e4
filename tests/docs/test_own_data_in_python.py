"""Every block of the page runs, after the ones before it, and prints what the page shows below it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "how-to" / "own-data-in-python.md"
MARK = "-- the next block --"


def test_each_block_prints_what_the_page_shows(tmp_path: Path) -> None:
    text = PAGE.read_text("utf-8")
    programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    printed = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    assert len(programs) == len(printed) == 4
    for name in ("docs", "sample_feeds"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    script = tmp_path / "page.py"
    script.write_text(f"\nprint({MARK!r})\n".join(programs), "utf-8")
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout.split(f"{MARK}\n") == printed
