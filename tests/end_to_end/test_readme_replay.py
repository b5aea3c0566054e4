"""The replay that the README shows, run on the recording it speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest

from calib.cli.main import run

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.parametrize("fill", ["callback", "stream"])
def test_the_readmes_replay_prints_what_it_shows(
    fill: str, real_feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = real_feeds / "hftbacktest_collector" / "usdm" / "btcusdt_20240808.gz"
    feeds, out = str(tmp_path / "feeds"), str(tmp_path / "out")
    assert run(["import", "hftbacktest-collector", str(recording), "--out", feeds]) == 0
    capsys.readouterr()
    argv = ["replay", "--feeds", feeds, "--out", out, "--latency", "constant:36", "--read-every", "100ms"]
    streamed = ["--set", "md_cache.refresh_source=stream"] if fill == "callback" else []
    assert run([*argv, "--fill", fill, *streamed]) == 0
    printed = capsys.readouterr().out.splitlines()
    text = README.read_text("utf-8")
    assert printed[-2] == "3,445 reads; symbols: 1"
    assert printed[-2] in text
    assert printed[-1] in text.splitlines()
    off = float(printed[-1].rpartition("; ")[2].partition(" %")[0].lstrip("<"))
    assert off > 5 if fill == "callback" else off <= 0.1
