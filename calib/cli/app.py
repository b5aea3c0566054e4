"""The table of commands. Each command's own file loads what it needs when it runs, so that ``--help`` stays quick."""

from __future__ import annotations

from typing import Annotated

import typer

from calib._version import __version__
from calib.cli import ab, aggregate, canary, check, config, demo, fit, import_, markout, replay, simulate, summary

app = typer.Typer(
    name="calib",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Turn a market-making bot's live feeds into trustworthy calibration datasets.",
    epilog="Exit codes: 0 done, 1 verdict no, 2 usage, 3 input, 4 internal, 75 locked, 130/143 interrupted.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"calib {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turn a market-making bot's live feeds into trustworthy calibration datasets."""


app.command("aggregate", epilog="Example: calib aggregate --day yesterday --format json,parquet")(aggregate.aggregate)
app.command("check", epilog="Example: calib check --feeds artifacts/edge/feeds --max-age 2h")(check.check)
app.command("config", epilog="Example: calib config --output json")(config.config)
app.command("demo", epilog="Example: calib demo --out /tmp/calib-demo")(demo.demo)
app.command("fit", epilog="Example: calib fit --since 7d --gamma 0.1 --publish artifacts/edge/calibration.json")(
    fit.fit
)
app.command("markout", epilog="Example: calib markout --day yesterday --symbols BTCUSDT")(markout.markout)
app.command(
    "replay", epilog="Example: calib replay --feeds feeds --fill callback --sweep md_cache.ttl_ms=20,60,100 --gate"
)(replay.replay)
app.command("simulate", epilog="Example: calib simulate --out feeds --symbols 5 --hours 2 --seed 7")(simulate.simulate)
app.command(
    "summary", epilog="Example: calib summary artifacts/edge/datasets/calib_20250101_000000_20250103_000000.json"
)(summary.summary)

app.add_typer(import_.app, name="import")
app.add_typer(
    ab.app,
    name="ab",
    epilog="Example: calib ab --feeds sample_feeds --assign demo/50% --decision sound",
)
app.add_typer(canary.app, name="canary", epilog="Example: calib canary check --advance")
