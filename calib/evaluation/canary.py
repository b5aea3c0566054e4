"""Check of a canary from its feeds, and an operator's actions: the functions behind ``calib canary``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from calib.errors import BadState, CalibError, NoLines, UnwritableOutput
from calib.evaluation.canary_feeds import read_ticks, ticks_or_nothing
from calib.experiments.canary.baseline import Baseline, load_baseline, next_baseline, save_baseline
from calib.experiments.canary.check import Check
from calib.experiments.canary.controller import GATE, CanaryController, ReportWriter
from calib.experiments.canary.measure import by_symbol_p95, measure
from calib.experiments.canary.settings import CanarySettings
from calib.experiments.canary.state import SCHEMA, STATE_SHAPE, Progress
from calib.experiments.latch import Store
from calib.experiments.rollback import new_id, operator, reset_by_hand, roll_back_by_hand
from calib.files import locked

MAX_TICKS = 5_000_000


def check_canary(
    feeds: Path | str,
    directory: Path | str,
    settings: CanarySettings | None = None,
    *,
    now: float | None = None,
    symbols: Sequence[str] = (),
    advance: bool = False,
    max_reject_ratio: float = 0.01,
    report_writer: ReportWriter | None = None,
) -> Check:
    """Check a canary from its feeds, as ``calib canary check`` does; a violated gate rolls back.

    Parameters
    ----------
    feeds
        Directory of the feed files; without ticks the check returns NODATA.
    directory
        Directory of the canary's state.
    settings
        Schedule, gates and criteria; default `CanarySettings`.
    now
        Check as of this time, Unix s; default: now.
    symbols
        The symbols to check; empty for all.
    advance
        Advance to the next step if the check passes and its minimum time is covered.
    max_reject_ratio
        Tolerated share of bad lines per file.
    report_writer
        Writes a report at a rollback; see `CanaryController`.

    Raises
    ------
    calib.errors.CalibError
        LockHeld if another check is running, BadState, TooManyRejects; UnwritableOutput if the result could not be
        written: other processes do not see a rollback that is not on disk.
    """
    moment = time.time() if now is None else now
    home = Path(directory)
    with locked(home):
        controller = CanaryController(home, settings, symbols=symbols, max_ticks=MAX_TICKS, report_writer=report_writer)
        start = controller.needs_from(moment)
        for tick in ticks_or_nothing(Path(feeds), start, moment, tuple(symbols), max_reject_ratio):
            controller.recent.add(tick)
        found = controller.check(moment)
        if advance and found.ready and controller.progress.step + 1 < len(controller.settings.schedule):
            found = controller.advance(moment)
    _raise_store_error(controller)
    return found


def _raise_store_error(controller: CanaryController) -> None:
    error = controller.status()["store_error"]
    if error:
        raise UnwritableOutput(
            f"the result of the check could not be written: {error}",
            where=str(controller.directory),
            hint="Free space or check permissions, then run the check again",
        )


def accept_baseline(
    feeds: Path | str,
    directory: Path | str,
    name: str,
    *,
    start: float | None = None,
    end: float | None = None,
    symbols: Sequence[str] = (),
    min_ticks: int = 100,
    max_reject_ratio: float = 0.01,
) -> Baseline:
    """Measure ``fetch_md`` over [start, end), Unix s, and write it as the baseline. Nothing else changes the baseline.

    Raises
    ------
    NoLines
        If the range has fewer than ``min_ticks`` ticks with a ``fetch_md`` time.
    """
    now = time.time()
    span = (start or 0.0, now if end is None else end)
    ticks = list(read_ticks(Path(feeds), *span, tuple(symbols), max_reject_ratio))
    found = measure(ticks, None)
    if found.fetch_md_p95_ms is None or found.ticks < min_ticks:
        raise NoLines(
            f"too few ticks with a fetch_md time for a baseline: {found.ticks}, at least {min_ticks}",
            where=str(feeds),
            hint="Give a longer range",
        )
    home = Path(directory)
    with locked(home):
        fresh = next_baseline(
            load_baseline(home),
            name=name,
            fetch_md_p95_ms=found.fetch_md_p95_ms,
            symbols=by_symbol_p95((tick.symbol, tick.fetch_md_ms) for tick in ticks if tick.fetch_md_ms is not None),
            ticks=found.ticks,
            start=min(tick.ts for tick in ticks),
            end=max(tick.ts for tick in ticks),
            accepted_ts=now,
            accepted_by=operator()["by"],
        )
        save_baseline(home, fresh)
    return fresh


def existing_canary(
    directory: Path | str,
    settings: CanarySettings | None = None,
    *,
    report_writer: ReportWriter | None = None,
) -> CanaryController:
    """Return the canary of a directory.

    Raises
    ------
    BadState
        If no canary was started there, or its state is damaged.
    """
    controller = CanaryController(directory, settings, report_writer=report_writer)
    if not controller.store.state_path.exists():
        raise BadState(
            "does not exist",
            where=str(controller.store.state_path),
            hint="Check --state; `calib canary check` starts a canary",
        )
    return controller


def roll_back_canary(
    directory: Path | str,
    reason: str,
    settings: CanarySettings | None = None,
    *,
    report_writer: ReportWriter | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Disable the cache for every symbol at once, even while a check is running; returns the rollback in force.

    Raises
    ------
    BadState
        If no canary was started there.
    UnwritableOutput
        If neither the flag file nor the audit could be written.
    """
    store = Store(Path(directory), SCHEMA, STATE_SHAPE)
    now = time.time()
    record = {"event": "rollback", "id": new_id(now, GATE), "ts": now, "gate": GATE, "why": f"by hand: {reason}"}
    found = roll_back_by_hand(store, record | {"reason": reason} | operator())
    try:
        existing_canary(directory, settings, report_writer=report_writer).write_report()
    except CalibError as error:  # the rollback is in force: a missing report is not an error
        note(f"no report was written: {error}")
    return found


def reset_canary(directory: Path | str, reason: str) -> dict[str, Any] | None:
    """Clear a rollback, even while a check is running, and restart in shadow. Returns the cleared rollback, or None.

    Raises
    ------
    BadState
        If no canary was started there.
    UnwritableOutput
        If the audit cannot be written: the rollback then stays in force.
    """
    store = Store(Path(directory), SCHEMA, STATE_SHAPE)
    now = time.time()
    symbols = _symbols_of(store)
    cleared = reset_by_hand(
        store,
        reason,
        now,
        lambda latch: Progress(since=now, symbols=symbols, resets_seen=sorted(latch.cleared)).to_state(),
    )
    return cleared[0] if cleared else None


def _symbols_of(store: Store) -> list[str]:
    try:
        state = store.load()
    except CalibError:
        return []
    return list(state["symbols"]) if state else []
