"""The common header of fits and markouts, and writing their files."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import calib
from calib.files import make_directory, write_atomic
from calib.fitting.loading import FitFeeds


def iso(ts: float) -> str:
    """Format UTC with ``Z``; whole seconds without a fraction.

    >>> iso(1735689600.0)
    '2025-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(ts, UTC).isoformat().replace("+00:00", "Z")


def head(schema: str, feeds: FitFeeds, symbols: list[str], params: Mapping[str, Any]) -> dict[str, Any]:
    """Schema, range, params, inputs and missing days, in this order."""
    start, end = feeds.span()
    return {
        "schema": schema,
        "range": {"from": iso(start), "to": iso(end), "symbols": symbols},
        "params": dict(params),
        "inputs": [
            {
                "file": stats.file,
                "bytes": stats.bytes,
                "sha256": stats.sha256,
                "lines": stats.lines,
                "used": stats.used,
                "rejected": dict(stats.rejected),
            }
            for stats in feeds.stats
        ],
        "missing_days": feeds.missing_days(),
    }


def tool() -> dict[str, str]:
    """The last entry of every file."""
    return {"name": "calib", "version": calib.__version__}


def name_of(kind: str, document: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """``fit_{from}_{to}``, with eight digits of the hash of settings that differ from the defaults."""
    stamps = [datetime.fromisoformat(document["range"][key]).strftime("%Y%m%d_%H%M%S") for key in ("from", "to")]
    changed = {key: value for key, value in document["params"].items() if key in defaults and defaults[key] != value}
    mark = f"_{hashlib.sha256(encoded(changed)).hexdigest()[:8]}" if changed else ""
    return f"{kind}_{stamps[0]}_{stamps[1]}{mark}"


def encoded(value: Any) -> bytes:
    """Encode as JSON in UTF-8, NaN and infinite as null; equal values give equal bytes."""
    return json.dumps(_clean(value), ensure_ascii=False, allow_nan=False, indent=1).encode() + b"\n"


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def write_document(document: Mapping[str, Any], directory: Path, name: str) -> Path:
    """Write ``directory/name.json``; unchanged content is left alone.

    Raises
    ------
    UnwritableOutput
        If the system refuses.
    """
    make_directory(directory)
    path = directory / f"{name}.json"
    write_atomic(path, encoded(document))
    return path
