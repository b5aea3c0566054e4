"""The progress of a canary, and the required structure of its state file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from calib.experiments.rollback import STATE_PART
from calib.experiments.shape import COUNT, TEXTS, TS, mapping, number, optional, record, text

SCHEMA: Final = "calib.canary-state/1"
SHADOW: Final = -1
"""The step before the first: every symbol in shadow."""


@dataclass(slots=True)
class Progress:
    """The progress of a canary: the content of the state file besides the latch."""

    step: int = SHADOW
    since: float | None = None
    """When the step began, Unix s."""
    covered_s: float = 0.0
    """Time of this step that is covered by ticks, s."""
    newest: float | None = None
    """Time of the newest tick that is included in `covered_s`, Unix s."""
    symbols: list[str] = field(default_factory=list)
    enabled: list[str] = field(default_factory=list)
    """Symbols that use the cache."""
    enabled_at: dict[str, float] = field(default_factory=dict)
    """When each symbol was enabled, Unix s: it is compared only after its own warm-up."""
    fetch_test: dict[str, Any] | None = None
    """The state of the sequential test; see `calib.experiments.canary.fetch_test`."""
    resets_seen: list[str] = field(default_factory=list)
    """Ids of rollbacks that were reset before this progress; any other reset restarts the canary."""

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Progress:
        """Return the progress from a validated state file; files of older versions lack the test."""
        return cls(**{name: state[name] for name in cls.__dataclass_fields__ if name in state})

    def to_state(self) -> dict[str, Any]:
        return asdict(self)


_TEST: Final = record(
    {
        "block_start": optional(TS),
        "count": COUNT,
        "total": number(),
        "squares": number(0),
        "max_log_e": number(0),
    }
)
STATE_SHAPE: Final = record(
    {
        "step": number(SHADOW, 1000, whole=True),
        "since": optional(TS),
        "covered_s": number(0, 4.2e9),
        "newest": optional(TS),
        "symbols": TEXTS,
        "enabled": TEXTS,
        "rollback": STATE_PART["rollback"],
    },
    {
        "resets": STATE_PART["resets"],
        "enabled_at": mapping(TS),
        "resets_seen": TEXTS,
        "fetch_test": optional(_TEST),
        "version": COUNT,
        "checksum": text(),
    },
)
