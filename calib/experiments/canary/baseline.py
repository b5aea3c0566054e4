"""The baseline that a canary is compared with: versioned, and changed only by an operator's ``accept``."""

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
"""Minimum number of ticks of a symbol for its own p95."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The duration of ``fetch_md`` without the cache.

    Parameters
    ----------
    name, version
        The operator's name for it, and a number that each acceptance increments.
    fetch_md_p95_ms
        p95 over all symbols, ms; used for a symbol that has no p95 of its own.
    symbols
        Each symbol's own p95, ms.
    ticks, start, end
        Number of ticks and the time range (Unix s) that it was measured on.
    accepted_ts, accepted_by
        When (Unix s) and by whom it was accepted.
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
    """Earlier versions, oldest first, without their symbols."""


def load_baseline(directory: Path) -> Baseline | None:
    """Return the accepted baseline, or None if there is none yet.

    Raises
    ------
    BadState, NewerSchema
        If the file is damaged or was written by a later version.
    """
    path = directory / BASELINE_NAME
    try:
        body = json.loads(path.read_bytes())
        schema = str(body.pop("schema"))
        if schema != SCHEMA:
            name, _, version = schema.partition("/")
            if name == SCHEMA.partition("/")[0] and version.isdigit() and int(version) > 1:
                raise NewerSchema(
                    f"has schema {schema}, this calib supports {SCHEMA}", where=str(path), hint="Update calib"
                )
            raise ValueError(f"its schema is {schema}")
        return Baseline(**body)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadState(
            f"is not a usable baseline: {error}", where=str(path), hint="Replace it with `calib canary accept`"
        ) from error


def save_baseline(directory: Path, fresh: Baseline) -> Path:
    """Write the baseline file and return its path."""
    path = directory / BASELINE_NAME
    body = {"schema": SCHEMA, **asdict(fresh)}
    write_atomic(path, json.dumps(body, allow_nan=False, indent=1).encode() + b"\n")
    return path


def next_baseline(before: Baseline | None, **figures: Any) -> Baseline:
    """Return a baseline with the next version number and ``before`` appended to its history."""
    history: list[dict[str, Any]] = []
    if before is not None:
        entry = {name: value for name, value in asdict(before).items() if name not in ("history", "symbols")}
        history = [*before.history, entry][-50:]
    return Baseline(version=before.version + 1 if before else 1, history=history, **figures)
