"""Where a canary stands, and what its state file must look like."""

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
    """Where the canary stands; what the state file holds besides the latch."""

    step: int = SHADOW
    since: float | None = None
    """When the step began, Unix s."""
    covered_s: float = 0.0
    """Time of this step that ticks really cover."""
    newest: float | None = None
    """The newest tick that was counted into `covered_s`."""
    symbols: list[str] = field(default_factory=list)
    enabled: list[str] = field(default_factory=list)
    """Symbols that use the cache."""
    enabled_at: dict[str, float] = field(default_factory=dict)
    """Since when, Unix s: a symbol is compared once its own warm-up is over."""
    fetch_test: dict[str, Any] | None = None
    """The sequential test as it stands; see `calib.experiments.canary.fetch_test`."""
    resets_seen: list[str] = field(default_factory=list)
    """Rollbacks whose reset came before this progress; any other reset makes the canary begin again."""

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Progress:
        """From a state file that was checked; an older one lacks the test."""
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
