"""``calib import FORMAT FILES...``: convert recordings of other tools to feed files, and report the result."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calib.cli import enrich, import_dry, options, signals, success
from calib.cli.output import Session
from calib.errors import NotThisFormat
from calib.files import locked
from calib.words import counted

if TYPE_CHECKING:
    from calib.importers import Import, Importer, ImportSource, Rejected
    from calib.metrics.text_file import JobResult

_NAMED = 5
"""Most symbols listed in one note."""


def import_files(
    importer: type[Importer], files: Sequence[Path], own: Mapping[str, Any], common: Mapping[str, Any]
) -> int:
    """Import the files, and report.

    Parameters
    ----------
    own
        The format's own options, by the keyword of its class; None if not given.
    common
        The options of all formats, see `calib.cli.import_commands.COMMON`.
    """
    settings = {option.setting: own[option.keyword] for option in importer.options if option.setting}
    session = options.start(
        f"import {importer.name}",
        flags={"feeds": common["out"], "max_reject_ratio": common["max_reject_ratio"]} | settings,
        config=common["config_file"],
        output=common["output"],
        quiet=common["quiet"],
        verbose=common["verbose"],
        color=common["color"],
    )
    chosen = {
        option.keyword: session.config[option.setting] if option.setting else own[option.keyword]
        for option in importer.options
    }
    made: Any = importer
    return _run(session, made(**chosen), files, common)


def _run(session: Session, importer: Importer, files: Sequence[Path], common: Mapping[str, Any]) -> int:
    from calib.importers import Scratch, collect, stored_bytes, write_days

    def on_reject(path: Path, row: Rejected) -> None:
        what = f" ({row.what})" if row.what else ""
        session.detail(f"{path}:{row.line}: {row.reason} {row.field}{what}: {row.text[:120]}")

    if common["dry_run"]:
        return import_dry.show(session, importer, files, common, on_reject)
    feeds = Path(session.config["feeds"])
    with locked(feeds), Scratch(feeds, session.config["import.buffer_mb"] << 20) as scratch:
        with (
            suggesting_formats(files),
            session.progress(f"importing {importer.name}", stored_bytes(files)) as advance,
        ):
            found = collect(
                importer,
                files,
                max_reject_ratio=session.config["max_reject_ratio"],
                scratch=scratch,
                on_reject=on_reject,
                progress=signals.checked(advance),
                only=common["only"],
                symbol_suffix=common["symbol_suffix"] or "",
                salvage=common["salvage"],
            )
        with session.progress("writing", found.used) as advance:
            written = write_days(found.days, feeds, replace=common["replace"], progress=signals.checked(advance))
        joined = enrich.joined(session, feeds) if common["enrich"] and found.used else None
    for note in notes(found, importer):
        session.note(note)
    verdict = "" if found.used else "no row could be converted to a record; nothing was written"
    if found.used:
        success.write_prom(common["prom"], session, _result(found))
    return session.finish(
        _data(found, written) | ({} if joined is None else {"enriched": enrich.data(joined)}),
        [*_lines(found, written), *([] if joined is None else enrich.lines(joined))],
        exit_code=0 if found.used else 1,
        verdict=verdict,
    )


@contextlib.contextmanager
def suggesting_formats(files: Sequence[Path]) -> Iterator[None]:
    """Add the recognised formats of the file to a `NotThisFormat` error."""
    try:
        yield
    except NotThisFormat as error:
        from calib.importers.recognise import recognised

        path = next((file for file in files if error.where.startswith(str(file))), None)
        if path is None or not (names := recognised(path)):
            raise
        words = " or ".join(f"calib import {name} {path}" for name in names[:3])
        raise NotThisFormat(error.what, where=error.where, hint=f"Use {words}") from error


def _result(found: Import) -> JobResult:
    """Return the result for the text file of ``--prom``."""
    from calib.metrics.text_file import JobResult, added, share

    rows = sum(source.rows for source in found.sources)
    return JobResult(found.used, added(source.rejected for source in found.sources), share(found.used, rows))


def notes(found: Import, importer: Importer) -> Iterator[str]:
    """Yield the notes of the import for the user."""
    from calib.importers import counts_contracts

    for reason, hint in importer.hints.items():
        if count := sum(source.rejected[reason] for source in found.sources):
            yield f"{counted(count, 'row')} rejected as {reason}: {hint}"
    yield from importer.remarks() if hasattr(importer, "remarks") else ()
    if other := sum(source.rejected["other_stream"] for source in found.sources):
        labels = ", ".join(found.left_out)
        yield f"{counted(other, 'row')} of other markets or streams left out because of --only: {labels}"
    for source in found.sources:
        if source.rejected["cut_short"]:
            line = source.first_line["cut_short"]
            yield f"{source.path} is truncated at line {line}; the rows before that line are imported"
    if conflicts := sum(source.trade_id_conflicts for source in found.sources):
        records = counted(conflicts, "record")
        yield f"{records} with the id of another trade kept: side, price, quantity or order differ"
    if found.unknowable:
        yield (
            f"the book of {_named(found.unknowable)} is unknown: there are changes but no snapshot before them; also "
            "import the file with the snapshot, such as that of the day before"
        )
    contracts = sorted(symbol for symbol, market in found.markets.items() if counts_contracts(symbol, market))
    if contracts:
        yield (
            f"quantities of {_named(contracts)} are numbers of contracts, not base units: configure the contract under "
            "`contracts` in calib.yaml, such as {BTCUSD_PERP: {inverse: true, multiplier: 100}}"
        )


def _named(symbols: Sequence[str]) -> str:
    more = f" and {len(symbols) - _NAMED} more" if len(symbols) > _NAMED else ""
    return ", ".join(symbols[:_NAMED]) + more


def _data(found: Import, written: list[tuple[Path, bool]]) -> dict[str, Any]:
    return {
        "sources": [source_data(source) for source in found.sources],
        "written": [
            {"file": str(path), "lines": len(found.days[path.name]), "changed": changed} for path, changed in written
        ],
        "markets": dict(sorted(found.markets.items())),
        "books_never_known": list(found.unknowable),
    }


def source_data(source: ImportSource) -> dict[str, Any]:
    return {
        "file": str(source.path),
        "rows": source.rows,
        "used": source.used,
        "rejected": {
            reason: {"count": source.rejected[reason], "first_line": source.first_line[reason]}
            for reason in sorted(source.rejected)
        },
        "trade_id_conflicts": source.trade_id_conflicts,
    }


def _lines(found: Import, written: list[tuple[Path, bool]]) -> list[str]:
    lines = []
    for path, changed in written:
        lines.append(f"{path}  {counted(len(found.days[path.name]), 'line')}{'' if changed else ', unchanged'}")
    return [*lines, *source_lines(found)]


def source_lines(found: Import) -> Iterator[str]:
    """Yield a line per source with its rows and its rejects by reason."""
    for source in found.sources:
        reasons = ", ".join(
            f"{source.rejected[reason]} {reason} (first at line {source.first_line[reason]})"
            for reason in sorted(source.rejected)
        )
        rows = f"{source.path}: {counted(source.rows, 'row')}, {source.used} imported"
        yield (f"{rows}{f'; rejected: {reasons}' if reasons else ''}")
