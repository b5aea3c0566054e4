"""The wheels that `make dist` makes: one with the kernel, one without, and neither holds what is the other's."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import hatch_build

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = (hatch_build.PACKAGE / hatch_build.NAME).as_posix()


def _build(target: str, out: Path, native: str) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    environment = os.environ | {"CALIB_NATIVE": native}
    subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True)
    (made,) = out.iterdir()
    return made


def test_the_wheels_differ_by_the_library_alone(tmp_path: Path) -> None:
    if hatch_build.compiler() is None:
        pytest.skip("no C compiler")
    pure, platform = _build("wheel", tmp_path / "pure", "0"), _build("wheel", tmp_path / "platform", "1")
    assert pure.name.endswith("-py3-none-any.whl")
    assert "-py3-none-" in platform.name
    assert not platform.name.endswith("-any.whl")
    names = [
        {name for name in zipfile.ZipFile(wheel).namelist() if "dist-info" not in name} for wheel in (pure, platform)
    ]
    assert names[1] - names[0] == {LIBRARY}
    assert names[0] - names[1] == set()
    assert not [name for name in names[1] if name.endswith((".c", ".h"))]
    assert "Root-Is-Purelib: false" in _wheel_facts(platform)
    assert "Root-Is-Purelib: true" in _wheel_facts(pure)


def _wheel_facts(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as stored:
        (name,) = [name for name in stored.namelist() if name.endswith("/WHEEL")]
        return stored.read(name).decode()


def test_the_source_distribution_holds_the_sources_and_no_library(tmp_path: Path) -> None:
    with tarfile.open(_build("sdist", tmp_path / "sdist", "1")) as stored:
        names = {name.split("/", 1)[1] for name in stored.getnames()}
    assert "hatch_build.py" in names
    assert (hatch_build.PACKAGE / "source" / "parse.c").as_posix() in names
    assert not [name for name in names if name.endswith(".so")]
    assert not list(ROOT.glob("calib/**/*.so")), "a library was left in the source tree"


def test_without_a_compiler_the_wheel_is_pure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert _build("wheel", tmp_path, "").name.endswith("-py3-none-any.whl")
