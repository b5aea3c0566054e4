"""The shop window: lazy, complete, and light for a bot."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import typing

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


TOOL_ONLY = {
    "build_dataset",
    "check_canary",
    "evaluate_ab",
    "fit",
    "markouts",
    "read_dataset",
    "read_feeds",
    "render_summary",
    "run_replay",
}


@pytest.mark.parametrize("name", sorted(set(calib.__all__) - TOOL_ONLY - {"__version__"}))
def test_what_a_bot_embeds_needs_none_of_the_tools_libraries(name: str) -> None:
    script = (
        "import sys\n"
        "for blocked in ('polars', 'typer', 'rich', 'jinja2', 'pyarrow'):\n  sys.modules[blocked] = None\n"
        f"import calib; calib.{name}"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", sorted(set(calib.__all__) - {"__version__"}))
def test_every_public_name_can_be_looked_at(name: str) -> None:
    item = getattr(calib, name)
    assert inspect.getdoc(item), "help() must say what it is"
    methods = [value for key, value in vars(item).items() if not key.startswith("_")] if inspect.isclass(item) else []
    for part in [item, *(method for method in methods if inspect.isfunction(method))]:
        if inspect.isclass(part) or inspect.isfunction(part):
            typing.get_type_hints(part)
    if inspect.isclass(item):
        typing.get_type_hints(item.__init__)
