"""``calib reconcile``: compare the logged fills with an export of the venue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib.cli.command import command
from calib.cli.output import Session
from calib.errors import TooManyRejects, UsageError
from calib.feeds.settings import SETTINGS as FEEDS

if TYPE_CHECKING:
    from calib.importers import Importer
    from calib.importers.reconcile import Reconciled

_TITLES = {
    "missing": "at the venue, not in the log",
    "extra": "in the log, not at the venue",
    "twice": "logged twice",
    "differs": "side, price, quantity or fee differ",
}
Words = Annotated[list[str] | None, typer.Option("--map", metavar="FIELD=SOURCE[:CONVERSION]", help="A source.")]
Against = Annotated[Path, typer.Option("--against", metavar="FILE", help="The venue's fills.")]
Preset = Annotated[str | None, typer.Option("--preset", metavar="NAME", help="A preset [the matching one].")]
MapFile = Annotated[str | None, typer.Option("--map-file", metavar="FILE", help="A mapping in YAML.")]
Constants = Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A constant; repeat.")]
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
    preset: Preset = None,
    map_file: MapFile = None,
    maps: Words = None,
    constants: Constants = None,
    tolerance: Tolerance = 0.0,
) -> int:
    """Find fills of the venue that the log lacks, fills logged twice, and fills that differ."""
    from calib.importers.reconcile import reconcile as compare

    words = {"preset": preset, "map_file": map_file, "map": maps, "set": constants}
    importer = _importer(against, words)
    venue = _venue(importer, against, session.config["max_reject_ratio"])
    found = compare(venue, _log(Path(session.config["feeds"])))
    if found.without_id:
        session.note(f"{found.without_id} fills without a trade_id cannot be compared")
    verdict = "" if found.share <= tolerance else "the log and the venue differ"
    if not found.venue:
        verdict = "the file of the venue has no fill with a trade_id"
    return session.finish(_data(found), _lines(found), exit_code=1 if verdict else 0, verdict=verdict)


def _importer(path: Path, words: dict[str, Any]) -> Importer:
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


def _venue(importer: Importer, path: Path, max_reject_ratio: float) -> list[dict[str, Any]]:
    from calib.importers import Imported

    rows = list(importer.read(path))
    damaged = [row for row in rows if not isinstance(row, Imported) and row.damaged]
    if len(damaged) > max_reject_ratio * len(rows):
        first = damaged[0]
        what = f"{len(damaged)} of {len(rows)} rows are damaged; the first is {first.reason} {first.field}"
        raise TooManyRejects(what, where=f"{path}:{first.line}", hint="Correct the mapping or the file")
    return [row.record for row in rows if isinstance(row, Imported)]


def _log(feeds: Path) -> Iterator[dict[str, Any]]:
    from calib.importers.enrich import fills_of

    return fills_of(feeds)


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
