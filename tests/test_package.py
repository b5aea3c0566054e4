"""The shop window: lazy, complete, and light for a bot."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import calib


def test_every_public_name_can_be_had() -> None:
    for name in calib.__all__:
        assert getattr(calib, name) is not None
    assert sorted([*calib._HOME, "__version__"]) == sorted(calib.__all__)
    assert dir(calib) == sorted(calib.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = calib.Nonsense


def test_import_calib_loads_nothing_else() -> None:
    script = "import sys, typing, importlib; before = set(sys.modules); import calib; print(set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) <= {"calib", "calib._version", "__future__"}


TOOL_ONLY = {"build_dataset", "fit", "markouts", "render_summary", "run_replay"}


@pytest.mark.parametrize("name", sorted(set(calib.__all__) - TOOL_ONLY - {"__version__"}))
def test_what_a_bot_embeds_needs_none_of_the_tools_libraries(name: str) -> None:
    script = (
        "import sys\n"
        "for blocked in ('polars', 'typer', 'rich', 'jinja2', 'pyarrow'):\n  sys.modules[blocked] = None\n"
        f"import calib; calib.{name}"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
