"""Every command has the options that all share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from calib.cli.app import app

SHARED = {"--config", "--output", "--quiet", "--verbose", "--color"}


def commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The command, where it does something by itself, and those below it."""
    inner = getattr(group, "commands", {})
    if not inner or any("--output" in option.opts for option in group.params):
        yield name, group
    for word, command in inner.items():
        yield from commands(command, f"{name} {word}".strip())


FOUND = dict(commands(typer.main.get_command(app), ""))


@pytest.mark.parametrize("name", FOUND)
def test_a_command_has_the_shared_options(name: str) -> None:
    assert {text for option in FOUND[name].params for text in option.opts} >= SHARED


def test_the_commands_of_groups_are_among_them() -> None:
    assert {"check", "ab", "ab rollback", "canary check", "policy check", "import table", "metrics names"} <= set(FOUND)
