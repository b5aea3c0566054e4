"""The wheel in an environment of its own, away from the checkout: what it brings must be enough."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from calib import __version__
from calib.importers.table.chosen import preset_names

REPOSITORY = Path(__file__).resolve().parents[2]
TRADE = {
    "symbol": "BTCUSDT", "id": 1, "orderId": 2, "price": "50000", "qty": "2", "commission": "10",
    "commissionAsset": "USDT", "time": 1735689600500, "isBuyer": True, "isMaker": False,
}  # fmt: skip
_TARGET = re.compile(r"""(?:href|src)="([^"]+)"|\]\(([^)\s]+)\)""")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; the libraries that it needs are those of this one."""
    root = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(root / "dist")]
    pure = os.environ | {"CALIB_NATIVE": "0"}  # one file for every platform; tests/test_wheels.py reads the other
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True, timeout=120, env=pure)
    (wheel,) = (root / "dist").iterdir()
    assert wheel.name == f"calib-{__version__}-py3-none-any.whl"
    assert f"make dist                            # dist/{wheel.name}\n" in (REPOSITORY / "README.md").read_text(
        "utf-8"
    )
    venv.create(root / "venv", with_pip=True)
    python = root / "venv" / "bin" / "python"
    # The development environment finds calib by a .pth file, which is not followed from another one.
    (site,) = (root / "venv").glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    (root / "elsewhere").mkdir()
    return root


def calib(place: Path, *words: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CALIB_", "PYTHON"))}
    done = subprocess.run(
        [str(place / "venv" / "bin" / "calib"), *words], cwd=place / "elsewhere", env=kept, capture_output=True,
        text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_the_wheel_that_runs(place: Path) -> None:
    asked = [str(place / "venv" / "bin" / "python"), "-c", "import calib; print(calib.__file__)"]
    found = subprocess.run(
        asked, cwd=place / "elsewhere", capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert Path(found.strip()).is_relative_to(place / "venv")
    assert calib(place, "--version").split()[-1] == __version__


def test_it_holds_every_file_that_is_not_python(place: Path) -> None:
    (wheel,) = (place / "dist").iterdir()
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", "calib"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    kernel = "calib/feeds/reading/native/source/"  # no part of a wheel, see tests/test_wheels.py
    assert {name for name in tracked.stdout.split() if not name.startswith(kernel)} <= held
    assert not {name for name in held if name.startswith(("tests/", "tools/", "docs/"))}


def test_a_table_is_known_and_imported(place: Path) -> None:
    (place / "elsewhere" / "my_trades.json").write_text(json.dumps([TRADE]))
    assert "calib import binance-spot my_trades.json" in calib(place, "import", "guess", "my_trades.json")
    assert "1 line" in calib(place, "import", "binance-spot", "my_trades.json", "--out", "feeds")
    assert [line.split()[0] for line in calib(place, "import", "presets").splitlines()] == list(preset_names())


def test_the_demo_and_its_reports_lead_nowhere_that_is_not_there(place: Path) -> None:
    assert "usable" in calib(place, "demo")
    calib(place, "summary", "--format", "both")
    reports = [*(place / "elsewhere" / "artifacts").rglob("*.md"), *(place / "elsewhere" / "artifacts").rglob("*.html")]
    assert len(reports) == 2
    targets = [(report, target) for report in reports for target in _targets(report)]
    assert len(targets) > 10
    for report, target in targets:
        if target.startswith("#"):
            assert f'id="{target[1:]}"' in report.read_text("utf-8"), target
        elif not target.startswith("data:"):
            assert (report.parent / target).is_file(), target


def _targets(report: Path) -> Iterator[str]:
    for first, second in _TARGET.findall(report.read_text("utf-8")):
        yield first or second
