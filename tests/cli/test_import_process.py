"""``calib import`` as a process: interrupted in the middle, and watched on a terminal."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import interrupt, wait_until_open
from tests.cli.terminal import on_a_terminal

HEADER = (
    "exchange_trade_id,config_file_path,strategy,market,symbol,base_asset,quote_asset,timestamp,order_id,trade_type,"
    "order_type,price,amount,leverage,trade_fee,position,age\n"
)


def row(number: int) -> str:
    return f't{number},c,s,kucoin,A-B,A,B,{1_652_207_035_500 + number},o1,BUY,LIMIT_MAKER,0.5,300,1,"{{}}",NIL,0\n'


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_import_leaves_nothing_behind(tmp_path: Path, number: int, code: int) -> None:
    """The file is long enough that the signal surely comes in the middle."""
    source, out = tmp_path / "trades.csv", tmp_path / "feeds"
    with source.open("w") as file:
        file.write(HEADER)
        file.writelines(map(row, range(400_000)))
    argv = [sys.executable, "-m", "calib", "import", "hummingbot", str(source), "--out", str(out)]
    environment = {**os.environ, "CALIB_IMPORT_BUFFER_MB": "1"}
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    # What it has spilled lies in a file that no longer has a name.
    wait_until_open(process, lambda path: path.startswith(f"{out}/") and path.endswith(" (deleted)"))
    assert [path.name for path in out.iterdir()] == [".calib.lock"]
    interrupt(process, number, code)
    assert [path.name for path in out.iterdir()] == [".calib.lock"]


def test_a_terminal_is_shown_how_much_of_all_files_was_read_and_a_pipe_nothing(tmp_path: Path) -> None:
    for day in (1, 2):
        with gzip.open(tmp_path / f"btcusdt_2024080{day}.gz", "wb") as handle:
            for number in range(100):
                time_ms = 1_722_470_400_000 + day * 86_400_000
                message = b'{"e":"trade","s":"X","t":%d,"p":"1","q":"1","T":%d,"m":true}' % (number, time_ms)
                handle.write(b"%d000 %s\n" % (1_722_470_400_000_000 + day * 86_400_000_000 + number, message))
    files = [str(path) for path in sorted(tmp_path.glob("*.gz"))]
    argv = [sys.executable, "-m", "calib", "import", "hftbacktest-collector", *files, "--out", str(tmp_path / "out")]
    argv += ["--max-reject-ratio", "1"]
    shown = on_a_terminal(argv)
    assert "importing hftbacktest-collector" in shown
    assert "100%" in shown
    assert "writing" in shown
    piped = subprocess.run(argv, capture_output=True, check=True)
    assert piped.stderr == b""
    assert on_a_terminal([*argv, "--quiet"]) == ""
