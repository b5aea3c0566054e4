"""The canary: shadow first, then 10, 50, 100 % of the symbols; a violated gate rolls back to none."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from calib.clock import Clock, SystemClock
from calib.errors import CalibError, UnwritableOutput, UsageError
from calib.experiments.canary.baseline import Baseline, load_baseline
from calib.experiments.canary.check import (
    Check,
    Finding,
    judge_figures,
    judge_sequential,
    judge_threshold,
    judge_without_control,
    shadow_failures,
)
from calib.experiments.canary.fetch_test import FetchTest
from calib.experiments.canary.measure import CanaryTick, Measures, Recent, make_tick, measure, measure_shadow
from calib.experiments.canary.settings import CanarySettings
from calib.experiments.canary.state import SCHEMA, SHADOW, STATE_SHAPE, Progress
from calib.experiments.latch import Store, write_whole
from calib.experiments.rollback import RollbackLatch, brief, id_of, new_id, operator
from calib.experiments.routing import rank_rule
from calib.experiments.states import State

Hook = Callable[[dict[str, Any]], None]
ReportWriter = Callable[[dict[str, Any]], Path]
"""Writes the record of `CanaryController.report` and returns the path."""
GATE: Final = "canary"


class CanaryController:
    """Enables the market-data cache for the symbols step by step, and rolls back if it violates a gate.

    The state is kept in a directory that a bot and a cron job may share: the bot calls `mode`, one of them `check`.

    Parameters
    ----------
    directory
        The directory of ``state.json``, ``audit.jsonl``, ``rollback.json`` and ``baseline.json``.
    settings
        Schedule, gates and criteria.
    symbols
        The symbols of the rollout; symbols of recorded ticks are added.
    on_rollback
        Called with the rollback's record after the rollback; if it raises, the error is audited, the rollback stands.
    clock
        The clock of calls without ``now``.
    max_ticks
        Maximum number of ticks kept for checks; the oldest are discarded first.
    report_writer
        Writes a report at a rollback and returns its path; None writes JSON below ``directory``.

    Every method may be called from any thread.

    Raises
    ------
    BadState
        If the state or the baseline is damaged: starting without it could lose a rollback.
    """

    def __init__(
        self,
        directory: str | Path,
        settings: CanarySettings | None = None,
        *,
        symbols: Iterable[str] = (),
        on_rollback: Hook | None = None,
        clock: Clock | None = None,
        max_ticks: int = 200_000,
        report_writer: ReportWriter | None = None,
    ) -> None:
        self.directory = Path(directory)
        self.settings = settings or CanarySettings()
        self.store = Store(self.directory, SCHEMA, STATE_SHAPE)
        self.latch = RollbackLatch(self.store)
        self.on_rollback = on_rollback
        self.report_writer = report_writer
        self.clock: Clock = clock or SystemClock()
        self.max_ticks = max_ticks
        self.recent = Recent(max_ticks)
        self.counts: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._errors: dict[str, str] = {}
        self._version = 0
        self._cleared: frozenset[str] = frozenset()
        self.progress = Progress()
        self._read()
        self._follow_resets()
        if self.rollback is not None:
            self.latch.mark_announced()
            self.latch.persist()
        self._join(symbols)

    @property
    def baseline(self) -> Baseline | None:
        """The accepted baseline, read from its file; None if there is none."""
        return load_baseline(self.directory)

    @property
    def rollback(self) -> dict[str, Any] | None:
        """The record of the rollback that is in force, or None."""
        return self.latch.record

    # -- calls of a bot ------------------------------------------------------------------------------------------------

    def mode(self, symbol: str) -> str:
        """Return the cache mode of a symbol: ``on``, ``shadow`` or ``off``."""
        if self.rollback is not None:
            return "off"
        return "on" if symbol in self.progress.enabled else "shadow"

    def reload(self) -> None:
        """Load the changes of other processes and operators; a rollback in force in this process stays in force.

        Raises
        ------
        BadState
            If a file is damaged.
        """
        with self._lock:
            self._read()
            self._follow_resets()
        self.latch.announce(self.write_report, self.on_rollback)

    def record_tick(
        self,
        symbol: str,
        ts: float,
        *,
        cache_hit: bool,
        tick_total_ms: float,
        deadline_miss: bool,
        fetch_md_ms: float | None = None,
        fetch_md_cache_ms: float | None = None,
    ) -> None:
        """Record one tick; the fields are those of the feed ``pipeline_ticks`` (`fetch_md_ms`: that stage's time).

        An invalid tick is counted and does not raise: see ``counts`` of `status`.
        """
        tick = make_tick(symbol, ts, cache_hit, tick_total_ms, deadline_miss, fetch_md_ms, fetch_md_cache_ms)
        if tick is None:
            self.counts["rejected_tick"] += 1
        else:
            self.recent.add(tick)

    def needs_from(self, now: float) -> float:
        """Return the time (Unix s) of the oldest tick that a check at ``now`` uses."""
        settings, progress = self.settings, self.progress
        times = [now - max(settings.window_s, settings.shadow_s)]
        times += [ts for ts in (progress.newest or progress.since,) if ts is not None]
        if progress.fetch_test is not None and progress.fetch_test["block_start"] is not None:
            times.append(progress.fetch_test["block_start"])
        return min(times)

    # -- checking ------------------------------------------------------------------------------------------------------

    def check(self, now: float | None = None) -> Check:
        """Check the step as of ``now`` (Unix s); a violated gate rolls back. Only time covered by ticks counts.

        A manual rollback takes precedence over the result of this call, even one made during the call.
        """
        moment = self.clock.time() if now is None else now
        with self._lock:
            self._read()
            self._follow_resets()
            found = self._check(moment) if self.rollback is None else None
            self.latch.persist()
            if found is None or self.rollback is not None:
                found = self._judge(moment)
        self.latch.announce(self.write_report, self.on_rollback)
        return found

    def _check(self, now: float) -> Check:
        if self.progress.since is None:
            self.progress.since = now if not (first := self.recent.since(0.0)) else min(first[0].ts, now)
            self.latch.audit({"event": "began", "ts": now, "step": "shadow"})
        self._cover(now)
        self._test(now)
        found = self._judge(now)
        if found.state is State.VIOLATING and self.progress.step != SHADOW:
            self.latch.set(self._record(now, found.why, found.measures) | {"test": found.test})
        self._save()
        return found

    def _cover(self, now: float) -> None:
        """Add the time covered by ticks since the last call; a gap longer than ``max_gap_s`` adds nothing."""
        progress = self.progress
        begin = progress.since or 0.0
        known = set(progress.symbols)
        for tick in self.recent.since(begin if progress.newest is None else progress.newest):
            if tick.ts > now:
                break
            if tick.symbol not in known:
                self._join([tick.symbol])
                known.add(tick.symbol)
            if not self._counts(tick):
                continue
            last = begin if progress.newest is None else progress.newest
            if tick.ts > last:
                progress.covered_s += tick.ts - last if tick.ts - last <= self.settings.max_gap_s else 0.0
                progress.newest = tick.ts

    def _counts(self, tick: CanaryTick) -> bool:
        if self.progress.step == SHADOW:
            return tick.fetch_md_cache_ms is not None
        return tick.symbol in self.progress.enabled

    def _fetch_test(self) -> FetchTest:
        settings = self.settings
        test = FetchTest(settings.max_fetch_increase, settings.alpha, settings.block_s, settings.window_s)
        if self.progress.fetch_test is not None:
            test.load_state(self.progress.fetch_test)
        return test

    def _test(self, now: float) -> None:
        """Advance the sequential test to ``now``; it pauses while all symbols or none use the cache."""
        progress, baseline = self.progress, self.baseline
        if progress.step == SHADOW or baseline is None:
            return
        test, warmup = self._fetch_test(), self.settings.warmup_s
        if len(progress.enabled) == len(progress.symbols):
            test.skip_to(now)
        else:
            begin = test.block_start if test.block_start is not None else (progress.since or now)
            on = set(progress.enabled)

            def is_on(symbol: str, start: float) -> bool | None:
                if symbol not in on:
                    return False
                return True if start >= progress.enabled_at.get(symbol, 0.0) + warmup else None

            ticks = [tick for tick in self.recent.since(begin) if tick.ts <= now]
            test.take(ticks, now, baseline.symbols, is_on)
        progress.fetch_test = test.to_state()

    def _judge(self, now: float) -> Check:
        progress = self.progress
        if self.rollback is not None:
            why = str(self.rollback.get("why", "see audit.jsonl"))
            return Check(State.ROLLED_BACK, "rolled back", why, measure((), None), 0.0, 0.0, ready=False)
        if progress.step == SHADOW:
            return self._judge_shadow(now)
        step = self.settings.schedule[min(progress.step, len(self.settings.schedule) - 1)]
        since = (progress.since or now) + self.settings.warmup_s
        window = [t for t in self.recent.since(max(since, now - self.settings.window_s)) if t.ts <= now]
        baseline = self.baseline
        found = measure((tick for tick in window if self._counts(tick)), baseline)
        test = self._fetch_test()
        state, why = self._gates(found, baseline, test, now, since)
        served = progress.covered_s >= step.min_s
        return Check(
            state,
            f"{100 * step.split:g} % of the symbols",
            why,
            found,
            progress.covered_s,
            step.min_s,
            ready=served and state is State.OK,
            test={"p": test.p_value, "alpha": test.alpha, "blocks": test.count, "effect_ratio": test.effect_ratio},
        )

    def _gates(self, found: Measures, baseline: Baseline | None, test: FetchTest, now: float, since: float) -> Finding:
        settings, progress = self.settings, self.progress
        if settings.decision == "sequential" and test.rejected:
            return judge_sequential(test)
        if now < since:
            return State.INCONCLUSIVE, "warm-up: a cold cache misses"
        if baseline is None:
            return State.INCONCLUSIVE, "no baseline yet: run `calib canary accept`"
        figures = judge_figures(found, settings, now)
        if figures is not None:
            return figures
        if settings.decision == "threshold":
            return judge_threshold(found, baseline, settings.max_fetch_increase)
        absolute = judge_threshold(found, baseline, settings.max_fetch_increase_absolute)
        if absolute[0] is State.VIOLATING:
            return absolute
        if len(progress.enabled) == len(progress.symbols):
            return judge_without_control(found, baseline, settings)
        return judge_sequential(test)

    def _judge_shadow(self, now: float) -> Check:
        settings, progress = self.settings, self.progress
        window = [tick for tick in self.recent.since(now - settings.shadow_s) if tick.ts <= now]
        found = measure_shadow(window, settings.deadline_ms)
        served = progress.covered_s >= settings.shadow_s
        fresh = found.newest is not None and now - found.newest <= settings.max_gap_s
        if found.ticks < settings.min_ticks or not fresh:
            state, why = State.NODATA, "too few ticks with fetch_md_cache_ms lately: is the cache in shadow?"
        elif not served:
            state, why = State.INCONCLUSIVE, "shadow: the minimum time is not yet covered"
        else:
            failed = shadow_failures(found, settings)
            state = State.VIOLATING if failed else State.OK
            why = "; ".join(failed) or "every shadow criterion is met"
        ready = state is State.OK
        return Check(state, "shadow", why, found, progress.covered_s, settings.shadow_s, ready=ready)

    # -- acting --------------------------------------------------------------------------------------------------------

    def advance(self, now: float | None = None) -> Check:
        """Advance to the next step if the check passes, and return the check of the new step.

        Raises
        ------
        UsageError
            If the canary may not advance; the message says why.
        UnwritableOutput
            If the step cannot be written: the canary then stays at its step.
        """
        moment = self.clock.time() if now is None else now
        with self._lock:
            found = self.check(moment)
            if not found.ready:
                raise UsageError(
                    f"{found.phase} cannot advance: {found.state}, {found.why}",
                    hint=f"{found.covered_s:.0f} s of {found.needed_s:.0f} s are covered; see `calib canary check`",
                )
            progress = self.progress
            if progress.step + 1 >= len(self.settings.schedule):
                raise UsageError("every symbol already uses the cache", hint="There is no further step")
            if self.baseline is None:
                raise UsageError("no baseline to compare with", hint="Make one: `calib canary accept`")
            before = self.progress
            self.progress = replace(
                before, step=before.step + 1, since=moment, covered_s=0.0, newest=None,
                enabled=list(before.enabled), enabled_at=dict(before.enabled_at),
            )  # fmt: skip
            self._enable(moment)
            self._save()
            if "state" in self._errors:
                self.progress = before
                raise UnwritableOutput(
                    f"cannot advance: {self._errors['state']}",
                    where=str(self.store.state_path),
                    hint="Nothing changed; check permissions and free space",
                )
            split = self.settings.schedule[self.progress.step].split
            self.latch.audit({"event": "advanced", "ts": moment, "split": split, "enabled": self.progress.enabled})
            return replace(self._judge(moment), advanced=True)

    def roll_back(self, reason: str, now: float | None = None) -> None:
        """Roll back manually: disable the cache for every symbol at once, even while a check is running."""
        moment = self.clock.time() if now is None else now
        if self.rollback is None:
            record = self._record(moment, f"by hand: {reason}", measure((), None))
            self.latch.set(record | {"reason": reason} | operator())
        if self._lock.acquire(timeout=1.0):  # after a timeout the running check writes the state
            try:
                self._save()
            finally:
                self._lock.release()
        self.latch.announce(self.write_report, self.on_rollback)

    def reset(self, reason: str, now: float | None = None, *, by: str = "") -> dict[str, Any] | None:
        """Clear the rollback in force and restart in shadow. Returns the cleared rollback.

        Parameters
        ----------
        by
            Name of the operator, recorded in the audit beside the user id.

        Raises
        ------
        UnwritableOutput
            If the audit cannot be written: the rollback then stays in force.
        """
        moment = self.clock.time() if now is None else now
        with self._lock:
            self._read()
            cleared = self.latch.reset(reason, moment, **({"said_by": by} if by else {}))
            self._follow_resets(moment)
        return cleared[0] if cleared else None

    def _record(self, now: float, why: str, measures: Measures) -> dict[str, Any]:
        record = {"event": "rollback", "id": new_id(now, GATE), "ts": now, "gate": GATE, "why": why}
        return record | {
            "step": self.progress.step,
            "enabled": list(self.progress.enabled),
            "measures": asdict(measures),
        }

    def report(self) -> dict[str, Any]:
        """Return the data of a rollback report as plain JSON data."""
        return {"schema": "calib.canary-report/1", **self._standing(), "settings": self.settings.as_data()}

    def write_report(self) -> Path:
        """Write the report and return its path.

        Raises
        ------
        UnwritableOutput
            If the file cannot be written.
        """
        body = self.report()
        if self.report_writer is not None:
            return self.report_writer(body)
        ts = self.rollback["ts"] if self.rollback else self.progress.newest or 0.0
        path = self.directory / "reports" / f"canary_{ts:.0f}.json"
        write_whole(path, json.dumps(body, allow_nan=False, indent=1).encode() + b"\n")
        return path

    # -- state ---------------------------------------------------------------------------------------------------------

    def _join(self, symbols: Iterable[str]) -> None:
        fresh = [symbol for symbol in symbols if symbol not in self.progress.symbols]
        if fresh:
            self.progress.symbols = [*self.progress.symbols, *fresh]
            self._enable(self.recent.newest or self.clock.time())

    def _enable(self, now: float) -> None:
        progress = self.progress
        if progress.step == SHADOW:
            return
        # At least one symbol: a step without any would pass without testing the cache.
        step = self.settings.schedule[min(progress.step, len(self.settings.schedule) - 1)]
        split = max(step.split, 1 / max(1, len(progress.symbols)))
        chosen = rank_rule(self.settings.salt, progress.symbols, split, progress.enabled)
        progress.enabled = sorted(chosen | set(progress.enabled))
        for symbol in progress.enabled:
            progress.enabled_at.setdefault(symbol, now)

    def status(self) -> dict[str, Any]:
        """Return the status of the canary as plain data, without running a check."""
        with self._lock:
            self._read()
            self._follow_resets()
            self.latch.persist()
        return self._standing()

    def _standing(self) -> dict[str, Any]:
        progress, rollback = self.progress, self.rollback
        steps = [{"split": step.split, "min_s": step.min_s} for step in self.settings.schedule]
        baseline = self.baseline
        step = min(progress.step, len(steps) - 1)
        return {
            **progress.to_state(),
            **self.latch.to_state(),
            "rollback_on_disk": None if rollback is None else not (self.latch.pending or "state" in self._errors),
            "state": str(State.ROLLED_BACK) if rollback else "RUNNING",
            "phase": "shadow" if step == SHADOW else f"{100 * steps[step]['split']:g} %",
            "steps": steps,
            "baseline": None if baseline is None else {"name": baseline.name, "version": baseline.version},
            "counts": dict(sorted(self.counts.items())),
            "store_error": "; ".join({**self._errors, **self.latch.errors}.values()),
        }

    def _read(self) -> None:
        """Load the state from disk; during a rollback a damaged file is reported and otherwise ignored."""
        try:
            self.latch.refresh()
            state = self.store.load()
        except CalibError as error:
            if self.rollback is None:
                raise
            self._errors["read"] = brief(error)
            return
        self._errors.pop("read", None)
        self.latch.merge(state)
        if state is not None and state.get("version", 0) >= self._version and "state" not in self._errors:
            self._adopt(state)

    def _adopt(self, state: dict[str, Any]) -> None:
        joined = self.progress.symbols
        self.progress = Progress.from_state(state)
        if "resets_seen" not in state:  # written by an older version: its rollback may have been cleared since
            own = state.get("rollback")
            self.progress.resets_seen = sorted(self.latch.cleared - ({id_of(own)} if own else set()))
        self._version = int(state.get("version", 0))
        self._join(joined)

    def _follow_resets(self, now: float | None = None) -> None:
        """Restart in shadow after a reset, whichever process made it."""
        cleared = self.latch.cleared
        if cleared == self._cleared:
            return
        self._cleared = cleared
        if set(self.progress.resets_seen) >= cleared:
            return
        self.progress = Progress(since=now, symbols=self.progress.symbols, resets_seen=sorted(cleared))
        self.recent = Recent(self.max_ticks)
        self._save()

    def _save(self) -> None:
        def change(current: dict[str, Any] | None) -> dict[str, Any] | None:
            self.latch.merge(current)  # a rollback in force, here or on disk, takes precedence
            if current is not None and current.get("version", 0) > self._version:
                self._adopt(current)  # another process wrote first: keep its step and covered time
                same = current["rollback"] == self.rollback
                return None if same else {**current, **self.latch.to_state()}
            return {**self.progress.to_state(), **self.latch.to_state()}

        try:
            written = self.store.update(change)
        except CalibError as error:  # a full disk must not block a rollback: status() reports it, check() retries
            self._errors["state"] = brief(error)
        else:
            self._errors.pop("state", None)
            if written is not None:
                self._version = int(written["version"])
