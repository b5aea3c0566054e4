"""The named figures a canary is held against: versioned, and changed by an operator's ``accept`` only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from calib.errors import BadState, NewerSchema
from calib.files import write_atomic

SCHEMA: Final = "calib.canary-baseline/1"
BASELINE_NAME: Final = "baseline.json"
MIN_TICKS_SYMBOL: Final = 20
"""Ticks that a symbol needs for a p95 of its own."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What ``fetch_md`` took without the cache.

    Parameters
    ----------
    name, version
        The operator's word for it, and a number that grows with every acceptance.
    fetch_md_p95_ms
        Over all symbols; stands in for a symbol that has none of its own.
    symbols
        Each symbol's own p95, ms.
    ticks, start, end
        What it was measured on.
    accepted_ts, accepted_by
        When and by whom.
    """

    name: str
    version: int
    fetch_md_p95_ms: float
    symbols: dict[str, float]
    ticks: int
    start: float
    end: float
    accepted_ts: float
    accepted_by: str
    history: list[dict[str, Any]] = field(default_factory=list)
    """The versions before, the oldest first, without their symbols."""


def load_baseline(directory: Path) -> Baseline | None:
    """The accepted baseline, or None where there is none yet.

    Raises
    ------
    BadState, NewerSchema
        Where the file is damaged or of a later version.
    """
    path = directory / BASELINE_NAME
    try:
        body = json.loads(path.read_bytes())
        schema = str(body.pop("schema"))
        if schema != SCHEMA:
            name, _, version = schema.partition("/")
            if name == SCHEMA.partition("/")[0] and version.isdigit() and int(version) > 1:
                raise NewerSchema(f"is of {schema}, this calib knows {SCHEMA}", where=str(path), hint="Update calib")
            raise ValueError(f"it is a {schema}")
        return Baseline(**body)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadState(
            f"is no usable baseline: {error}", where=str(path), hint="Make it anew with `calib canary accept`"
        ) from error


def save_baseline(directory: Path, fresh: Baseline) -> Path:
    """Write the baseline, the one before it going into its history."""
    path = directory / BASELINE_NAME
    body = {"schema": SCHEMA, **asdict(fresh)}
    write_atomic(path, json.dumps(body, allow_nan=False, indent=1).encode() + b"\n")
    return path


def next_baseline(before: Baseline | None, **figures: Any) -> Baseline:
    """A new baseline with the next version number."""
    history: list[dict[str, Any]] = []
    if before is not None:
        entry = {name: value for name, value in asdict(before).items() if name not in ("history", "symbols")}
        history = [*before.history, entry][-50:]
    return Baseline(version=before.version + 1 if before else 1, history=history, **figures)
