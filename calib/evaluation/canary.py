"""A canary checked from its feeds, and what an operator does to one: what the commands of ``calib canary`` do."""

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
        Directory of the feed files; without any tick the check says NODATA.
    directory
        Where the canary's state is kept.
    settings
        Schedule, gates and criteria; default `CanarySettings`.
    now
        Check as of this time, Unix s; default: the present.
    symbols
        Only these; empty for all.
    advance
        Take the next step where the present one is served and fine.
    max_reject_ratio
        Share of bad lines per file that is tolerated.
    report_writer
        Writes a report at a rollback; see `CanaryController`.

    Raises
    ------
    calib.errors.CalibError
        LockHeld where another check runs, BadState, TooManyRejects; UnwritableOutput where the result could not be
        kept: a rollback that is on no disk is not in force for others.
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
    _must_be_kept(controller)
    return found


def _must_be_kept(controller: CanaryController) -> None:
    error = controller.status()["store_error"]
    if error:
        raise UnwritableOutput(
            f"the result of the check could not be kept: {error}",
            where=str(controller.directory),
            hint="Free some space or check permissions, then check again",
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
    """Measure ``fetch_md`` over [start, end), Unix s, and make that the baseline; nothing else ever changes it.

    Raises
    ------
    NoLines
        Where the range holds fewer than ``min_ticks`` ticks with a ``fetch_md`` time.
    """
    now = time.time()
    span = (start or 0.0, now if end is None else end)
    ticks = list(read_ticks(Path(feeds), *span, tuple(symbols), max_reject_ratio))
    found = measure(ticks, None)
    if found.fetch_md_p95_ms is None or found.ticks < min_ticks:
        raise NoLines(
            f"{found.ticks} ticks with a fetch_md time are too few for a baseline",
            where=str(feeds),
            hint=f"Give a range with at least {min_ticks}",
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
    """The canary that runs in a directory.

    Raises
    ------
    BadState
        Where none has begun there, or its state is damaged.
    """
    controller = CanaryController(directory, settings, report_writer=report_writer)
    if not controller.store.state_path.exists():
        raise BadState(
            "does not exist", where=str(controller.store.state_path), hint="Check --state; `calib canary check` begins"
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
    """Take the cache back from every symbol at once, whatever check runs beside; the rollback in force.

    Raises
    ------
    BadState
        Where no canary has begun there.
    UnwritableOutput
        Where neither the flag file nor the audit could be written.
    """
    store = Store(Path(directory), SCHEMA, STATE_SHAPE)
    now = time.time()
    record = {"event": "rollback", "id": new_id(now, GATE), "ts": now, "gate": GATE, "why": f"by hand: {reason}"}
    found = roll_back_by_hand(store, record | {"reason": reason} | operator())
    try:
        existing_canary(directory, settings, report_writer=report_writer).write_report()
    except CalibError as error:  # the rollback is in force; its report is not worth more than a note
        note(f"no report was written: {error}")
    return found


def reset_canary(directory: Path | str, reason: str) -> dict[str, Any] | None:
    """Clear a rollback, whatever runs beside: the canary begins again in shadow. Returns what was cleared.

    Raises
    ------
    BadState
        Where no canary has begun there.
    UnwritableOutput
        Where the audit cannot take it: the rollback then stays in force.
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
