"""Help that also fits a narrow terminal: each command with its whole first sentence."""

from __future__ import annotations

import inspect
import re
from typing import Any

from typer.core import TyperGroup

from calib.cli.lazy import spare_conversions


class Group(TyperGroup):
    """A group of commands whose help shows the whole first sentence of each command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters of the group itself."""
        return spare_conversions(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands; they are not created for it."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, first_sentence(item.help or "")) for name, item in commands if item and not item.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def first_sentence(text: str) -> str:
    """Return the first sentence of a docstring, on one line.

    >>> first_sentence("List the contents, e.g. rejects. Writes nothing.")
    'List the contents, e.g. rejects.'
    """
    paragraph = " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
    end = re.search(r"\.(?=\s+[A-Z])", paragraph)
    return paragraph if end is None else paragraph[: end.end()]
