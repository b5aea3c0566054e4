"""The page on running at scale: its commands are commands, its units are units, its figures belong together."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from benchmarks.bench_growth import SHAPES, slope
from calib.app_config import SETTINGS
from calib.cli.app import app
from calib.config import Config
from calib.engines import EngineChoice
from calib.feeds.reading.days import DayFile
from calib.feeds.settings import ENGINES
from calib.storage import place_of
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs/how-to/run-at-scale.md").read_text(encoding="utf-8")


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def _calib_lines() -> list[str]:
    text = "\n".join([*_blocks("bash"), *_blocks("cron"), *_blocks("ini")])
    return [
        match[1]
        for match in re.finditer(r"(?:^|[ =/])calib ((?:aggregate|replay|check|summary) .*)$", text, re.MULTILINE)
    ]


def test_the_commands_are_found() -> None:
    assert len(_calib_lines()) == 8


@pytest.mark.parametrize("line", _calib_lines())
def test_every_command_of_calib_can_be_parsed(line: str) -> None:
    name, *words = shlex.split(re.sub(r"--prom \S+", "", line))
    root = get_command(app)
    body = root.commands[name]  # type: ignore[attr-defined]
    context = body.make_context(name, words, resilient_parsing=False)
    for key in ("setting_feeds", "setting_out"):
        if text := context.params.get(key):
            place_of(text)
    if "setting_engine" in context.params:
        EngineChoice(context.params["setting_engine"] or "auto", None, context.params["setting_scheduler"])


def test_the_commands_of_dask_have_these_options() -> None:
    lines = [line for block in _blocks("bash") for line in block.splitlines() if line.startswith("dask ")]
    assert {line.split()[1] for line in lines} == {"scheduler", "worker"}
    for line in lines:
        _, command, *words = shlex.split(line)
        module = f"distributed.cli.dask_{command}"
        told = subprocess.run(
            [sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"(^|[ /]){option}\b", told, re.MULTILINE), option


def test_the_extras_exist() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    for extra in re.findall(r"calib\[(\w+)\]", PAGE):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE)


def test_the_configuration_is_one() -> None:
    (block,) = _blocks("yaml")
    config = Config.resolve(SETTINGS, yaml.safe_load(block), environment={})
    assert EngineChoice.of(config) == EngineChoice("dask", None, "tcp://10.0.0.5:8786")


def test_every_engine_is_told() -> None:
    assert re.findall(r"^\| `([\w-]+)` \| ", PAGE, re.MULTILINE) == ["--engine", *ENGINES]


def test_the_layout_holds_feed_files() -> None:
    (block,) = (block for block in _blocks("text") if "s3://" in block)
    urls = [line.split()[0] for line in block.splitlines()]
    assert [DayFile.of(place_of(url)) is not None for url in urls] == [True, True, False, False, False]


def test_the_units_of_systemd_are_units() -> None:
    service, timer = (ConfigParser(interpolation=None) for _ in range(2))
    for parser, text in zip((service, timer), _blocks("ini"), strict=True):
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(text)
    assert service["Service"]["Type"] == "oneshot"
    assert Path(service["Service"]["ExecStart"].split()[0]).name == "calib"
    assert timer["Timer"]["OnCalendar"] == "*-*-* 00:15:00 UTC"


_ROW = re.compile(
    r"^\| ([\w\- ]+) \| ([\d,]+) \| ([\d.]+) MB \| [\d.]+ s \| ([\d.]+) s \| (\d+) MB \| ([\d.-]*) \| ([\d.-]*) \|$",
    re.MULTILINE,
)


def test_the_figures_belong_together() -> None:
    rows = _ROW.findall(PAGE)
    assert list(dict.fromkeys(row[0] for row in rows)) == list(SHAPES)
    before: tuple[str, int, float, float] | None = None
    for shape, size, _, cpu, peak, cpu_slope, memory_slope in rows:
        now = shape, int(size.replace(",", "")), float(cpu), float(peak)
        if before is not None and before[0] == shape:
            ratio = now[1] / before[1]
            assert float(cpu_slope) == pytest.approx(slope(before[2], now[2], ratio), abs=0.011)
            assert float(memory_slope) == pytest.approx(slope(before[3], now[3], ratio), abs=0.011)
        before = now
