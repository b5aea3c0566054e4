"""``calib import ... --dry-run``: show the result of an import without writing it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from calib.cli import signals
from calib.words import counted

if TYPE_CHECKING:
    from calib.cli.output import Session
    from calib.importers import Importer, Rejected

SHOWN: Final = 10
"""Number of records shown."""


def show(
    session: Session,
    importer: Importer,
    files: Sequence[Path],
    common: Mapping[str, Any],
    on_reject: Callable[[Path, Rejected], None],
) -> int:
    """Read every file like an import, but write nothing."""
    from calib.cli import import_
    from calib.importers import Scratch, collect, stored_bytes

    with Scratch(None, session.config["import.buffer_mb"] << 20) as scratch:
        with (
            import_.suggesting_formats(files),
            session.progress(f"reading {importer.name}", stored_bytes(files)) as advance,
        ):
            found = collect(
                importer,
                files,
                max_reject_ratio=1.0,
                scratch=scratch,
                on_reject=on_reject,
                progress=signals.checked(advance),
                only=common["only"],
                symbol_suffix=common["symbol_suffix"] or "",
                salvage=common["salvage"],
            )
        records = [json.loads(line) for line in itertools.islice(itertools.chain(*found.days.values()), SHOWN)]
        days = {name: len(lines) for name, lines in found.days.items()}
    for note in import_.notes(found, importer):
        session.note(note)
    sources = [import_.source_data(source) for source in found.sources]
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    lines += [f"{name}  {counted(count, 'line')}, not written" for name, count in days.items()]
    return session.finish(
        {"dry_run": True, "records": records, "sources": sources, "days": days},
        [*lines, *import_.source_lines(found)],
        exit_code=0 if found.used else 1,
        verdict="" if found.used else "no row could be converted to a record",
    )
