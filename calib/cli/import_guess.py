"""``calib import guess``: propose a mapping for an unknown table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib.cli.command import command
from calib.cli.output import Session

if TYPE_CHECKING:
    from calib.importers import Importer
    from calib.importers.table.guess import Guess


@command("import guess", example="calib import guess fills.csv > map.yaml")
def guess(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table in any form that `calib import table` reads.")],
    path: Annotated[str, typer.Option("--path", metavar="NAME", help="Path of the rows in a json document.")] = "",
    table: Annotated[str, typer.Option("--table", metavar="NAME", help="The table of a database.")] = "",
) -> int:
    """Propose the mapping of a table as YAML, with a reason for each line."""
    from calib.importers.recognise import recognised
    from calib.importers.table.guess import guess as propose

    fitting = recognised(file) if not path and not table else []
    if fitting:
        return _fitting(session, file, fitting)
    found = propose(file, path_inside=path, table=table)
    data = {
        "fitting": [],
        "form": found.form,
        "rows": found.rows,
        "rejected": found.rejected,
        "mapping": "\n".join(found.lines),
        "records": found.records,
        "missing": found.missing,
    }
    return session.finish(data, _lines(found, file))


def _fitting(session: Session, file: Path, names: list[str]) -> int:
    """Report the formats that read the file without a mapping."""
    import itertools

    from calib.importers import Imported, load
    from calib.importers.table.guess import costs_of

    made: Any = load(names[0])
    importer: Importer = made()
    rows = list(itertools.islice(importer.read(file), 1000))
    records = [row.record for row in rows if isinstance(row, Imported)]
    words = [f"calib import {name} {file}" for name in names]
    lines = [f"# It can be read directly by: {' or '.join(words)}", *_records(records[:3])]
    lines += [f"# {len(records)} of the first {len(rows)} rows become records"]
    missing = costs_of(records)
    lines += [f"# missing: {text}" for text in missing]
    data = {"fitting": names, "rows": len(rows), "rejected": len(rows) - len(records), "records": records[:3]}
    return session.finish({**data, "missing": missing}, lines)


def _lines(found: Guess, file: Path) -> list[str]:
    head = f"# {file}: {found.form}, {found.rows} rows examined, {found.rejected} of them without a record"
    missing = [f"# missing: {text}" for text in found.missing]
    last = f"# Save this as map.yaml, then: calib import table {file} --map-file map.yaml --dry-run"
    return [head, *found.lines, *_records(found.records), *missing, last]


def _records(records: list[dict[str, object]]) -> list[str]:
    return [f"# record: {json.dumps(record, ensure_ascii=False, default=str)}" for record in records]
