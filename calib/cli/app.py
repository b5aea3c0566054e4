"""The table of commands. A command is imported when it is called, and most of its modules when it runs."""

from __future__ import annotations

import importlib
from typing import Annotated, Any, Final

import typer
import typer.main

from calib._version import __version__
from calib.cli.help import Group
from calib.cli.lazy import Commands

_COMMANDS: Final = {
    "aggregate": "calib.cli.aggregate:aggregate",
    "check": "calib.cli.check:check",
    "config": "calib.cli.config:config",
    "demo": "calib.cli.demo:demo",
    "diff": "calib.cli.diff:diff",
    "enrich": "calib.cli.enrich:enrich",
    "reconcile": "calib.cli.reconcile:reconcile",
    "fit": "calib.cli.fit:fit",
    "markout": "calib.cli.markout:markout",
    "replay": "calib.cli.replay:replay",
    "simulate": "calib.cli.simulate:simulate",
    "summary": "calib.cli.summary:summary",
    "import": "calib.cli.import_commands:app",
    "ab": "calib.cli.ab:app",
    "metrics": "calib.cli.metrics:app",
    "canary": "calib.cli.canary:app",
    "policy": "calib.cli.policy:app",
}
"""Where each command is, in the order of the help: a function made by `calib.cli.command`, or a group."""


class Root(Group):
    """The group of all commands, of which only the one that is called is imported and made."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Commands(self.commands, lambda: _COMMANDS, _made)


def _made(name: str) -> Any:
    from calib.cli.command import add

    module, _, item = _COMMANDS[name].partition(":")
    found = getattr(importlib.import_module(module), item)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    add(alone, name, found)
    return typer.main.get_command(alone)


app = typer.Typer(
    name="calib",
    no_args_is_help=True,
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Turn a market-making bot's live feeds into trustworthy calibration datasets.",
    epilog="Exit codes: 0 done, 1 verdict no, 2 usage, 3 input, 4 internal, 75 locked, 130/143 interrupted.",
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="With --version: also what reads feed lines, and why.")
    ] = False,
) -> None:
    """Turn a market-making bot's live feeds into trustworthy calibration datasets."""
    if version:
        typer.echo(f"calib {__version__}")
        if verbose:
            typer.echo(_reader())
        raise typer.Exit
    if verbose:
        context.fail("-v goes with --version here; a command takes it after its name")
    if context.invoked_subcommand is None:
        context.fail("Missing command.")


def _reader() -> str:
    """Which path reads feed lines."""
    from calib.feeds.reading.native import status

    found = status()
    return f"feeds are read by {'the native kernel' if found.used else 'Python'}: {found.reason}"
