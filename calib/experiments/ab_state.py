"""What the state file of an AB experiment must look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from calib.errors import BadState
from calib.experiments.rollback import STATE_PART
from calib.experiments.shape import (
    COUNT,
    TEXTS,
    TS,
    anything,
    boolean,
    items,
    mapping,
    number,
    optional,
    record,
    text,
)

if TYPE_CHECKING:
    from calib.experiments.engine import ExperimentEngine

SCHEMA: Final = "calib.ab-state/1"
RENAMED: Final = {"seed": "threshold", "sound": "sequential"}
"""Names of the two decisions in states of older versions."""

_ANY = number()
_LIST = items(_ANY)
_SCALE = number(0)
_HOLD = record({"held_s": _SCALE, "since": optional(TS), "last": optional(TS), "violations": COUNT})
_SWITCHBACK = record(
    {
        "seen": COUNT,
        "scale_sum": _SCALE,
        "count": COUNT,
        "total": _ANY,
        "squares": _SCALE,
        "max_log_e": _SCALE,
        "base_total": _LIST,
        "base_count": items(_SCALE),
    }
)
_LIMIT = record({"seen": COUNT, "mean": number(0, 1), "spread": _SCALE, "log_e": _ANY, "max_log_e": _SCALE})
_PAIRED = record({"pre": _LIST, "count": COUNT, "post_total": _ANY, "max_log_e": _SCALE})
_BLOCK = number(-1, 4.2e9, whole=True)
_PERSISTENT = record(
    {
        "tests": mapping(_PAIRED),
        "baselines": mapping(items(_LIST, 2)),
        "arm_of": mapping(text("A", "B")),
        "first_block": optional(_BLOCK),
        "newest_block": _BLOCK,
    }
)
_SEQUENTIAL = record(
    {
        "switchback": boolean,
        "symbols": TEXTS,
        "tests": mapping(_SWITCHBACK),
        "effects": mapping(_SWITCHBACK),
        "limits": mapping(_LIMIT),
        "persistent": _PERSISTENT,
        "units": items(_SCALE, 4),
        "last_block": mapping(_BLOCK),
        "newest_block": _BLOCK,
    },
    {"srm_log_e": _SCALE},
)


def _progress(value: Any, path: str) -> None:
    if isinstance(value, dict):
        value = {RENAMED.get(name, name): part for name, part in value.items()}
    record({"grid": optional(TS), "threshold": mapping(_HOLD), "sequential": _SEQUENTIAL, "absent_b": _HOLD})(
        value, path
    )


STATE_SHAPE: Final = record(
    {
        "fingerprint": optional(mapping(anything)),
        "router": record({"symbols": TEXTS, "ranked": TEXTS, "split": number(0, 1)}),
        **STATE_PART,
    },
    {"progress": optional(_progress), "version": COUNT, "checksum": text()},
)


def load_progress(engine: ExperimentEngine, progress: dict[str, Any], where: str) -> None:
    """Load the tests and timers of a state with the same fingerprint into an engine.

    Raises
    ------
    BadState
        If its parts are inconsistent.
    """
    named = {RENAMED.get(name, name): part for name, part in progress.items()}
    try:
        engine.load_state(named)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise BadState(
            f"is not a usable state: {type(error).__name__}: {error}",
            where=where,
            hint="Read audit.jsonl beside it; if nothing is rolled back there, move the state file away",
        ) from error
