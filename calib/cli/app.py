"""The table of commands. Each command imports its modules when it runs, so that ``--help`` stays fast."""

from __future__ import annotations

from typing import Annotated

import typer

from calib._version import __version__
from calib.cli import (
    ab,
    aggregate,
    canary,
    check,
    config,
    demo,
    diff,
    enrich,
    fit,
    import_commands,
    markout,
    metrics,
    policy,
    reconcile,
    replay,
    simulate,
    summary,
)
from calib.cli.command import add
from calib.cli.help import Group

app = typer.Typer(
    name="calib",
    no_args_is_help=True,
    cls=Group,
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


add(app, "aggregate", aggregate.aggregate)
add(app, "check", check.check)
add(app, "config", config.config)
add(app, "demo", demo.demo)
add(app, "diff", diff.diff)
add(app, "enrich", enrich.enrich)
add(app, "reconcile", reconcile.reconcile)
add(app, "fit", fit.fit)
add(app, "markout", markout.markout)
add(app, "replay", replay.replay)
add(app, "simulate", simulate.simulate)
add(app, "summary", summary.summary)

app.add_typer(import_commands.app, name="import")
app.add_typer(
    ab.app,
    name="ab",
    epilog="Example: calib ab --feeds sample_feeds --assign demo/50% --decision sequential",
)
app.add_typer(metrics.app, name="metrics", epilog="Example: calib metrics alerts > calib-alerts.yml")
app.add_typer(canary.app, name="canary", epilog="Example: calib canary check --advance")
app.add_typer(policy.app, name="policy")
