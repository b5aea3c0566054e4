"""``calib reconcile``: compare the logged fills with an export of the venue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib.cli import signals, table_options
from calib.cli.command import command
from calib.cli.output import Session
from calib.errors import TooManyRejects, UsageError
from calib.feeds.settings import SETTINGS as FEEDS

if TYPE_CHECKING:
    from calib.importers.base import Advance
    from calib.importers.reconcile import Reconciled
    from calib.importers.table.importer import Table

_TITLES = {
    "missing": "at the venue, not in the log",
    "extra": "in the log, not at the venue",
    "twice": "logged twice",
    "differs": "side, price, quantity or fee differ",
}
Against = Annotated[Path, typer.Option("--against", metavar="FILE", help="The venue's fills.")]
Tolerance = Annotated[
    float,
    typer.Option("--tolerance", metavar="RATIO", min=0, max=1, help="Accepted differences per fill of the venue."),
]


@command(
    "reconcile",
    example="calib reconcile --feeds artifacts/edge/feeds --against my_trades.json --preset binance-spot",
    settings=[FEEDS["feeds"], FEEDS["max_reject_ratio"]],
)
def reconcile(
    session: Session,
    against: Against,
    preset: table_options.Preset = None,
    map_file: table_options.MapFile = None,
    maps: table_options.Maps = None,
    constants: table_options.Constants = None,
    rates: table_options.Rates = None,
    delimiter: table_options.Delimiter = None,
    path: table_options.DocumentPath = None,
    table: table_options.Table = None,
    query: table_options.Query = None,
    tolerance: Tolerance = 0.0,
) -> int:
    """Find fills of the venue that the log lacks, fills logged twice, and fills that differ."""
    from calib.importers import Scratch, stored_bytes
    from calib.importers.enrich import fills_of
    from calib.importers.reconcile import reconcile as compare

    mapped = {"preset": preset, "map_file": map_file, "map": maps, "set": constants, "rate": rates}
    placed = {"delimiter": delimiter, "path": path, "table": table, "query": query}
    importer = _importer(against, mapped | placed)
    left_out = Counter[str](), Counter[str]()
    with (
        Scratch(None, session.config["import.buffer_mb"] << 20) as scratch,
        session.progress("reading the venue's fills", stored_bytes([against])) as advance,
    ):
        limit = session.config["max_reject_ratio"]
        venue = _venue(importer, against, limit, left_out[0], signals.checked(advance))
        found = compare(venue, fills_of(Path(session.config["feeds"]), left_out[1]), scratch)
    for note in _notes(found, importer, *left_out):
        session.note(note)
    verdict = "" if found.share <= tolerance else "the log and the venue differ"
    if not found.venue:
        verdict = "the file of the venue has no fill with a trade_id"
    return session.finish(_data(found), _lines(found), exit_code=1 if verdict else 0, verdict=verdict)


def _importer(path: Path, words: dict[str, Any]) -> Table:
    from calib.importers.recognise import recognised
    from calib.importers.table.chosen import preset_names
    from calib.importers.table.importer import Table

    if not words["preset"] and not words["map_file"]:
        words["preset"] = next((name for name in recognised(path) if name in preset_names()), None)
    kind = None if words["preset"] or words["map_file"] else "fills"
    table = Table(kind=kind, **words)
    if table.mapping.kind != "fills":
        raise UsageError(f"the mapping is for {table.mapping.kind}", hint="Give a mapping for fills")
    return table


def _venue(
    importer: Table, path: Path, max_reject_ratio: float, left_out: Counter[str], advance: Advance
) -> Iterator[dict[str, Any]]:
    """The venue's fills, one at a time; what is wrong with too many rows is said at the end."""
    from calib.importers import Imported, Rejected
    from calib.importers.reconcile import checked

    rows = damaged = 0
    first: Rejected | None = None
    for item in importer.read(path, advance):
        rows += 1
        row = checked(item)
        if isinstance(row, Imported):
            yield row.record
            continue
        left_out[row.reason] += 1
        if row.damaged:
            damaged, first = damaged + 1, first or row
    if first is not None and damaged > max_reject_ratio * rows:
        what = f"{damaged} of {rows} rows are damaged; the first is {first.reason} {first.field}"
        raise TooManyRejects(what, where=f"{path}:{first.line}", hint="Correct the mapping or the file")


def _notes(found: Reconciled, importer: Table, against: Counter[str], log: Counter[str]) -> Iterator[str]:
    """What was not compared, and why."""
    yield from importer.remarks()
    for whose, left_out in (("rows of the venue's file", against), ("lines of the log", log)):
        if left_out:
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
            yield f"{whose} that are not fills and were left out: {reasons}"
    if found.without_id:
        yield f"{found.without_id} fills without a trade_id cannot be compared"


def _data(found: Reconciled) -> dict[str, Any]:
    findings = {
        name: {"count": one.count, "notional": one.notional, "first": one.first} for name, one in found.findings.items()
    }
    counts = {"venue": found.venue, "logged": found.logged, "without_id": found.without_id}
    return {**counts, "share": found.share if found.venue else None, **findings}


def _lines(found: Reconciled) -> list[str]:
    lines = [f"{found.venue} fills at the venue, {found.logged} in the log"]
    for name, one in found.findings.items():
        lines.append(f"{name}: {one.count} {_TITLES[name]}, notional {one.notional:.2f}")
        lines += ["  " + " ".join(f"{key}={value}" for key, value in fill.items()) for fill in one.first]
    return lines
