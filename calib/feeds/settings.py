"""The settings that every command on feeds shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.config import Setting, setting, settings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsSettings:
    """Where feeds lie, where results go, and how feeds are read; keys without a section."""

    feeds: str = setting("artifacts/edge/feeds", "Directory of the feed files", metavar="DIR")
    out: str = setting("artifacts/edge", "Root that holds datasets/, rejects/ and reports/", metavar="DIR")
    symbols: tuple[str, ...] = setting((), "Symbols to work on; empty for all", metavar="SYM[,SYM]")
    max_reject_ratio: float = setting(0.01, "Share of bad lines in one file past which a run ends", 0, 1)
    jobs: int | None = setting(
        None,
        "Processes that read feeds; null for one a core, none for small files",
        1,
        256,
        kind="int",
        nullable=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """The ``check`` section."""

    max_bad_book_ratio: float = setting(
        0.05, "Share of a recorded book's lines after which it is crossed or not known, past which check says no", 0, 1
    )


SETTINGS: Final[dict[str, Setting]] = settings_of(FeedsSettings)
CHECK: Final[dict[str, Setting]] = settings_of(CheckSettings, "check")
MAX_REJECT_RATIO: Final[float] = SETTINGS["max_reject_ratio"].default
"""Share of bad lines of one file that is tolerated where nothing else is said."""
