"""The settings that commands on feeds share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.config import Setting, setting, settings_of

ENGINES: Final = ("auto", "in-process", "processes", "dask")
"""What may run the parts of a job, see `calib.engines`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsSettings:
    """Where feeds lie, where results go, and how feeds are read; keys without a section."""

    feeds: str = setting("artifacts/edge/feeds", "Directory of the feed files", metavar="DIR")
    out: str = setting("artifacts/edge", "Root that holds datasets/, rejects/ and reports/", metavar="DIR")
    symbols: tuple[str, ...] = setting((), "Symbols to work on; empty for all", metavar="SYM[,SYM]")
    max_reject_ratio: float = setting(0.01, "Share of bad lines in one file past which a run ends", 0, 1)
    jobs: int | None = setting(
        None,
        "Threads or processes that read feeds; null for one a core, none for small files",
        1,
        256,
        kind="int",
        nullable=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What runs the parts of a job; keys without a section."""

    engine: str = setting(
        "auto",
        "What runs the parts of a job: auto, in-process, processes or dask; auto is threads for large files with the "
        "kernel, processes without it",
        choices=ENGINES,
        metavar="NAME",
    )
    scheduler: str | None = setting(
        None,
        "Address of a Dask scheduler, for engine dask; null: a cluster on this machine for the time of the run",
        kind="str",
        nullable=True,
        metavar="ADDRESS",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """The ``check`` section."""

    max_bad_book_ratio: float = setting(
        0.05, "Share of a recorded book's lines after which it is crossed or not known, past which check says no", 0, 1
    )


SETTINGS: Final[dict[str, Setting]] = settings_of(FeedsSettings)
ENGINE: Final[dict[str, Setting]] = settings_of(EngineSettings)
CHECK: Final[dict[str, Setting]] = settings_of(CheckSettings, "check")
MAX_REJECT_RATIO: Final[float] = SETTINGS["max_reject_ratio"].default
"""Share of bad lines of one file that is tolerated where nothing else is said."""
