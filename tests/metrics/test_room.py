"""The room is light for a bot, and knows none of the parts that it shows."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import calib.metrics


def loaded_by(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(ast.literal_eval(done.stdout))


def test_recording_a_histogram_loads_nothing_else_of_the_room() -> None:
    names = {name for name in loaded_by("from calib.metrics import Histogram") if name.startswith("calib.")}
    assert names == {"calib._version", "calib.metrics", "calib.metrics.histogram"}


def test_registering_loads_no_part_that_is_shown() -> None:
    rooms = {
        name.split(".")[1]
        for name in loaded_by(
            "from prometheus_client import CollectorRegistry, generate_latest\n"
            "from calib.metrics import register\n"
            "registry = CollectorRegistry(); register(registry); generate_latest(registry)"
        )
        if name.startswith("calib.")
    }
    assert rooms == {"_version", "errors", "metrics"}


def test_it_works_without_the_tools_libraries() -> None:
    blocked = "for name in ('polars', 'typer', 'rich', 'jinja2', 'pyarrow', 'numpy', 'yaml'): sys.modules[name] = None"
    loaded_by(
        f"{blocked}\nfrom prometheus_client import CollectorRegistry\n"
        "from calib.metrics import register, serve\n"
        "registry = CollectorRegistry(); register(registry); serve(0, registry=registry).close()"
    )


def test_every_public_name_can_be_had() -> None:
    assert sorted(calib.metrics._HOME) == sorted(calib.metrics.__all__) == dir(calib.metrics)
    for name in calib.metrics.__all__:
        assert getattr(calib.metrics, name) is not None
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = calib.metrics.Nonsense
