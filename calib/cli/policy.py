"""``calib policy``: the caching policy on the command line."""

from __future__ import annotations

import typer

from calib.cli import policy_check
from calib.errors import UsageError

app = typer.Typer(no_args_is_help=False, add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def policy(context: typer.Context) -> int:
    """What may be cached and what may not: check code against the caching policy."""
    if context.invoked_subcommand is None:
        raise UsageError("calib policy needs a command", hint="check; see `calib policy --help`")
    return 0


policy_check.add_to(app)
