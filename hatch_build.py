"""Builds the feeds' kernel (calib/feeds/reading/native/source) into wheels where a C compiler is found.

It is optional: without a compiler, or with ``CALIB_NATIVE=0``, the wheel is pure. With ``CALIB_NATIVE=1`` a kernel that
cannot be built is an error. The library is made in a temporary directory, so that it never lies in the source tree.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = Path("calib", "feeds", "reading", "native")
NAME = "_calib_kernel.so"
# Fused multiply-add rounds once where Python rounds twice: the datasets' bytes would differ.
FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-ffp-contract=off", "-fvisibility=hidden")


def compiler() -> list[str] | None:
    """The command of a C compiler, if there is one."""
    if named := os.environ.get("CC"):
        return named.split()
    for command in (["cc"], ["zig", "cc"]):
        if shutil.which(command[0]):
            return command
    return None


def build(root: Path, target: Path, flags: Sequence[str] = FLAGS) -> None:
    """Compile the kernel; `subprocess.CalledProcessError` with the compiler's words where that fails."""
    command = compiler()
    if command is None:
        raise FileNotFoundError("no C compiler: neither CC is set, nor is there cc or zig")
    sources = sorted(str(path) for path in (root / PACKAGE / "source").glob("*.c"))
    subprocess.run(
        [*command, *flags, "-o", str(target), *sources, "-lm"], check=True, capture_output=True, text=True, cwd=root
    )


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    """The hook that hatch runs for each wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        wanted = os.environ.get("CALIB_NATIVE", "")
        if self.target_name != "wheel" or wanted == "0":
            return
        self._directory = tempfile.mkdtemp(prefix="calib-kernel-")
        made = Path(self._directory, NAME)
        try:
            build(Path(self.root), made)
        except (OSError, subprocess.CalledProcessError) as error:
            words = getattr(error, "stderr", None) or str(error)
            if wanted == "1":
                raise RuntimeError(f"the kernel cannot be built: {words}") from error
            self.app.display_warning(f"calib is built without its kernel, Python reads every line: {words}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        if version == "editable":
            build_data["force_include_editable"][str(made)] = NAME
        else:
            build_data["force_include"][str(made)] = str(PACKAGE / NAME)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if directory := getattr(self, "_directory", None):
            shutil.rmtree(directory, ignore_errors=True)
