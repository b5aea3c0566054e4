"""``calib import FORMAT FILES...``: foreign recordings into feed files."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib.cli import options, signals, success
from calib.cli.output import Session
from calib.files import locked

if TYPE_CHECKING:
    from calib.importers import Import, Importer, LimitAs, Rejected
    from calib.metrics.text_file import JobResult

app = typer.Typer(
    no_args_is_help=False,
    help="Turn recordings of other tools into feed files.",
    epilog="Example: calib import hummingbot trades_*.csv --out artifacts/edge/feeds",
)


class LimitOption(enum.StrEnum):
    """What a plain LIMIT order was."""

    MAKER = "maker"
    TAKER = "taker"
    REJECT = "reject"


FeedsOut = Annotated[str | None, typer.Option("--out", metavar="DIR", help="The feed directory [the setting feeds].")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace day files that hold other lines.")]


@app.command(
    "hummingbot", epilog="Example: calib import hummingbot trades_*.csv --out artifacts/edge/feeds --limit-as taker"
)
def hummingbot(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="Hummingbot's trades_*.csv files.")],
    out: FeedsOut = None,
    limit_as: Annotated[
        LimitOption | None,
        typer.Option("--limit-as", help="What a plain LIMIT order was; the file does not say [reject]."),
    ] = None,
    replace: Replace = False,
    prom: options.Prom = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    config_file: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Turn Hummingbot's trade files into a fills feed, one file per UTC day."""
    from calib.importers import HummingbotTrades

    session = options.start(
        "import hummingbot",
        flags={"feeds": out, "max_reject_ratio": max_reject_ratio, "import.limit_as": limit_as and limit_as.value},
        config=config_file,
        output=output,
        quiet=quiet,
        verbose=verbose,
        color=color,
    )
    chosen: LimitAs = session.config["import.limit_as"]
    hint = "a plain LIMIT order may have rested or crossed, say which with --limit-as"
    return run(
        session,
        HummingbotTrades(chosen),
        [Path(file) for file in files],
        replace,
        {"unknown_liquidity": hint},
        prom=prom,
    )


@app.command(
    "hftbacktest-collector",
    epilog="Example: calib import hftbacktest-collector btcusdt_20240808.gz --out artifacts/edge/feeds",
)
def hftbacktest_collector(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="The collector's files, plain or .gz.")],
    out: FeedsOut = None,
    replace: Replace = False,
    prom: options.Prom = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    config_file: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Turn the recordings of hftbacktest's collector into book and trades feeds, one file per UTC day."""
    from calib.importers import HftbacktestCollector

    session = options.start(
        "import hftbacktest-collector",
        flags={"feeds": out, "max_reject_ratio": max_reject_ratio},
        config=config_file,
        output=output,
        quiet=quiet,
        verbose=verbose,
        color=color,
    )
    return run(session, HftbacktestCollector(), [Path(file) for file in files], replace, {}, prom=prom)


@app.command(
    "tardis",
    epilog="Example: calib import tardis deribit_trades_2020-04-01_BTC-PERPETUAL.csv.gz --out artifacts/edge/feeds",
)
def tardis(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="Tardis' csv or csv.gz files.")],
    out: FeedsOut = None,
    replace: Replace = False,
    prom: options.Prom = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    config_file: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Turn Tardis' order-book, best-price and trade tables into book and trades feeds."""
    from calib.importers import Tardis

    session = options.start(
        "import tardis",
        flags={"feeds": out, "max_reject_ratio": max_reject_ratio},
        config=config_file,
        output=output,
        quiet=quiet,
        verbose=verbose,
        color=color,
    )
    return run(session, Tardis(), [Path(file) for file in files], replace, {}, prom=prom)


@app.command(
    "binance-vision",
    epilog="Example: calib import binance-vision BTCUSDT-trades-2025-01-01.zip --out artifacts/edge/feeds",
)
def binance_vision(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES...", help="Files of Binance's public data, zip or csv, under their own names."),
    ],
    out: FeedsOut = None,
    replace: Replace = False,
    prom: options.Prom = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    config_file: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Turn Binance's public trade and best-price files into trades and book feeds."""
    from calib.importers import BinanceVision

    session = options.start(
        "import binance-vision",
        flags={"feeds": out, "max_reject_ratio": max_reject_ratio},
        config=config_file,
        output=output,
        quiet=quiet,
        verbose=verbose,
        color=color,
    )
    return run(session, BinanceVision(), [Path(file) for file in files], replace, {}, prom=prom)


@app.command(
    "hftbacktest-npz",
    epilog="Example: calib import hftbacktest-npz btcusdt_20240808.npz --out artifacts/edge/feeds",
)
def hftbacktest_npz(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="hftbacktest's .npz files of one market.")],
    out: FeedsOut = None,
    symbol: Annotated[
        str | None, typer.Option("--symbol", metavar="SYM", help="The market of the files [from each file's name].")
    ] = None,
    replace: Replace = False,
    prom: options.Prom = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    config_file: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Turn hftbacktest's data files into book and trades feeds, one file per UTC day."""
    from calib.importers import HftbacktestNpz

    session = options.start(
        "import hftbacktest-npz",
        flags={"feeds": out, "max_reject_ratio": max_reject_ratio},
        config=config_file,
        output=output,
        quiet=quiet,
        verbose=verbose,
        color=color,
    )
    return run(session, HftbacktestNpz(symbol), [Path(file) for file in files], replace, {}, prom=prom)


@app.command("cryptofeed", epilog="Example: calib import cryptofeed BINANCE-capture.0 --out artifacts/edge/feeds")
def cryptofeed(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="Raw captures of Binance or Binance futures, plain or .gz.")
    ],
    out: FeedsOut = None,
    replace: Replace = False,
    prom: options.Prom = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    config_file: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Turn cryptofeed's raw captures of Binance into book and trades feeds, one file per UTC day."""
    from calib.importers import Cryptofeed

    session = options.start(
        "import cryptofeed",
        flags={"feeds": out, "max_reject_ratio": max_reject_ratio},
        config=config_file,
        output=output,
        quiet=quiet,
        verbose=verbose,
        color=color,
    )
    hint = "the recording was interrupted there, what the venue sent in between is missing"
    return run(session, Cryptofeed(), [Path(file) for file in files], replace, {"reconnect": hint}, prom=prom)


def run(
    session: Session,
    importer: Importer,
    files: Sequence[Path],
    replace: bool,
    hints: dict[str, str],
    *,
    prom: Path | None,
) -> int:
    """Import and report: what every format's command does once it has its importer."""
    from calib.importers import Scratch, collect, stored_bytes, write_days

    def on_reject(path: Path, row: Rejected) -> None:
        session.detail(f"{path}:{row.line}: {row.reason} {row.field}: {row.text[:120]}")

    feeds = Path(session.config["feeds"])
    with locked(feeds), Scratch(feeds, session.config["import.buffer_mb"] << 20) as scratch:
        with session.progress(f"importing {importer.name}", stored_bytes(files)) as advance:
            found = collect(
                importer,
                files,
                max_reject_ratio=session.config["max_reject_ratio"],
                scratch=scratch,
                on_reject=on_reject,
                progress=signals.checked(advance),
            )
        with session.progress("writing", found.used) as advance:
            written = write_days(found.days, feeds, replace=replace, progress=signals.checked(advance))
    for reason, hint in hints.items():
        if count := sum(source.rejected[reason] for source in found.sources):
            session.note(f"{count} {'row' if count == 1 else 'rows'} rejected as {reason}: {hint}")
    verdict = "" if found.used else "no row became a record: nothing was written"
    if found.used:
        success.write_prom(prom, session, _result(found))
    return session.finish(
        _data(found, written), _lines(found, written), exit_code=0 if found.used else 1, verdict=verdict
    )


def _result(found: Import) -> JobResult:
    """What the text file of ``--prom`` says."""
    from calib.metrics.text_file import JobResult, added, share

    rows = sum(source.rows for source in found.sources)
    return JobResult(found.used, added(source.rejected for source in found.sources), share(found.used, rows))


def _data(found: Import, written: list[tuple[Path, bool]]) -> dict[str, Any]:
    return {
        "sources": [
            {
                "file": str(source.path),
                "rows": source.rows,
                "used": source.used,
                "rejected": {
                    reason: {"count": source.rejected[reason], "first_line": source.first_line[reason]}
                    for reason in sorted(source.rejected)
                },
            }
            for source in found.sources
        ],
        "written": [
            {"file": str(path), "lines": len(found.days[path.name]), "changed": changed} for path, changed in written
        ],
    }


def _lines(found: Import, written: list[tuple[Path, bool]]) -> list[str]:
    lines = []
    for path, changed in written:
        lines.append(f"{path}  {len(found.days[path.name])} lines{'' if changed else ', unchanged'}")
    for source in found.sources:
        reasons = ", ".join(
            f"{source.rejected[reason]} {reason} (first at line {source.first_line[reason]})"
            for reason in sorted(source.rejected)
        )
        lines.append(
            f"{source.path}: {source.rows} rows, {source.used} imported{f'; rejected: {reasons}' if reasons else ''}"
        )
    return lines
