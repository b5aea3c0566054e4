"""The canary: shadow first, then 10, 50, 100 % of the symbols, back to none where a gate is violated."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from calib.clock import Clock, SystemClock
from calib.errors import BadState, CalibError, UsageError
from calib.experiments.canary.baseline import Baseline, load_baseline
from calib.experiments.canary.measure import CanaryTick, Measures, Recent, measure, measure_shadow
from calib.experiments.canary.settings import CanarySettings
from calib.experiments.latch import Store
from calib.experiments.routing import rank_rule
from calib.experiments.states import State

SCHEMA: Final = "calib.canary-state/1"
SHADOW: Final = -1
"""The step before the first: every symbol in shadow."""

Hook = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class Progress:
    """Where the canary stands; what the state file holds."""

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
    rollback: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """What one look at the canary found."""

    state: State
    phase: str
    why: str
    measures: Measures
    covered_s: float
    needed_s: float
    ready: bool
    """Whether the step's time is served and its gates are fine: it may advance."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "state": str(self.state)}


class CanaryController:
    """Brings the market-data cache to all symbols step by step, and takes it back where it hurts.

    The state lives in a directory that a bot and a cron job may share: the bot asks `mode`, one of them judges.

    Parameters
    ----------
    directory
        Where ``state.json``, ``audit.jsonl`` and ``baseline.json`` are kept.
    settings
        Schedule, gates and criteria.
    symbols
        The symbols to bring over; more may join with the ticks.
    on_rollback
        Called with the rollback's record when it is done; its failure is audited and changes nothing.
    clock
        For calls without ``now``.
    max_ticks
        Ticks that are kept for judging; the oldest go first.

    Raises
    ------
    BadState
        Where the state or the baseline is damaged: a latch might be lost.
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
    ) -> None:
        self.directory = Path(directory)
        self.settings = settings or CanarySettings()
        self.store = Store(self.directory, SCHEMA)
        self.on_rollback = on_rollback
        self.clock: Clock = clock or SystemClock()
        self.max_ticks = max_ticks
        self.recent = Recent(max_ticks)
        self._lock = threading.RLock()
        self._store_error = ""
        self.progress = Progress()
        self.reload()
        self._join(symbols)

    @property
    def baseline(self) -> Baseline | None:
        """The accepted baseline, read anew."""
        return load_baseline(self.directory)

    # -- what a bot asks -----------------------------------------------------------------------------------------------

    def mode(self, symbol: str) -> str:
        """``on``, ``shadow`` or ``off``: how the cache runs for this symbol."""
        progress = self.progress
        if progress.rollback is not None:
            return "off"
        return "on" if symbol in progress.enabled else "shadow"

    def reload(self) -> None:
        """Read the state file again: another process may have judged."""
        state = self.store.load()
        if state is None:
            return
        try:
            names = Progress.__dataclass_fields__
            self.progress = Progress(**{name: state[name] for name in names})
        except (KeyError, TypeError) as error:
            raise BadState(
                f"is no usable state: {error}", where=str(self.store.state_path), hint="Read audit.jsonl beside it"
            ) from error

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
        """Tell of one tick; the fields are those of the feed ``pipeline_ticks`` (`fetch_md_ms`: that stage's time)."""
        self.recent.add(CanaryTick(ts, symbol, cache_hit, tick_total_ms, deadline_miss, fetch_md_ms, fetch_md_cache_ms))

    # -- judging -------------------------------------------------------------------------------------------------------

    def check(self, now: float | None = None) -> Check:
        """Judge the step as of ``now`` (Unix s); a violated gate rolls back. Time counts only where ticks cover it."""
        moment = self.clock.time() if now is None else now
        with self._lock:
            self.reload()
            if self.progress.rollback is not None:
                return self._judge(moment)
            if self.progress.since is None:
                self.progress.since = moment if not (first := self.recent.since(0.0)) else min(first[0].ts, moment)
                self._audit({"event": "began", "ts": moment, "step": "shadow"})
            self._cover(moment)
            found = self._judge(moment)
            if found.state is State.VIOLATING and self.progress.step != SHADOW:
                self._roll_back(moment, found.why, found.measures)
                return self._judge(moment)
            self._save()
            return found

    def _cover(self, now: float) -> None:
        """Count the time that ticks cover since they were last counted; a silence longer than the gap adds none."""
        progress = self.progress
        begin = progress.since or 0.0
        for tick in self.recent.since(begin):
            if tick.ts > now:
                break
            if tick.symbol not in progress.symbols:
                self._join([tick.symbol])
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

    def _judge(self, now: float) -> Check:
        progress = self.progress
        if progress.rollback is not None:
            empty = measure((), None)
            return Check(State.ROLLED_BACK, "rolled back", progress.rollback["why"], empty, 0.0, 0.0, ready=False)
        if progress.step == SHADOW:
            return self._judge_shadow(now)
        step = self.settings.schedule[progress.step]
        since = (progress.since or now) + self.settings.warmup_s
        window = [t for t in self.recent.since(max(since, now - self.settings.window_s)) if t.ts <= now]
        baseline = self.baseline
        found = measure((tick for tick in window if self._counts(tick)), baseline)
        state, why = self._gates(found, baseline, now, since)
        served = progress.covered_s >= step.min_s
        return Check(
            state,
            f"{100 * step.split:g} % of the symbols",
            why,
            found,
            progress.covered_s,
            step.min_s,
            ready=served and state is State.OK,
        )

    def _gates(self, found: Measures, baseline: Baseline | None, now: float, since: float) -> tuple[State, str]:
        settings = self.settings
        if now < since:
            return State.INCONCLUSIVE, "warm-up: a cold cache misses"
        if baseline is None:
            return State.INCONCLUSIVE, "there is no baseline: `calib canary accept`"
        if found.ticks < settings.min_ticks or found.newest is None or now - found.newest > settings.max_gap_s:
            return State.NODATA, f"{found.ticks} ticks in the window, {settings.min_ticks} are needed, none older"
        if found.hit_ratio is None or found.fetch_ratio is None:
            return State.NODATA, "no symbol has enough ticks with a fetch_md time"
        if found.hit_ratio < settings.min_hit_ratio:
            return State.VIOLATING, f"hit_ratio {found.hit_ratio:.3f} < {settings.min_hit_ratio:g}"
        limit = 1 + settings.max_fetch_increase
        if found.fetch_ratio > limit:
            against = f"baseline {baseline.name!r} version {baseline.version}"
            return State.VIOLATING, f"fetch_md p95 {100 * (found.fetch_ratio - 1):+.1f} % of {against}"
        return State.OK, "hit ratio and fetch_md within their gates"

    def _judge_shadow(self, now: float) -> Check:
        settings, progress = self.settings, self.progress
        window = [tick for tick in self.recent.since(now - settings.shadow_s) if tick.ts <= now]
        found = measure_shadow(window, settings.deadline_ms)
        served = progress.covered_s >= settings.shadow_s
        fresh = found.newest is not None and now - found.newest <= settings.max_gap_s
        if found.ticks < settings.min_ticks or not fresh:
            state, why = State.NODATA, "too few ticks with fetch_md_cache_ms lately: is the cache in shadow?"
        elif not served:
            state, why = State.INCONCLUSIVE, "shadow: its time is not yet served"
        else:
            failed = shadow_failures(found, settings)
            state = State.VIOLATING if failed else State.OK
            why = "; ".join(failed) or "every criterion of the shadow is met"
        ready = state is State.OK
        return Check(state, "shadow", why, found, progress.covered_s, settings.shadow_s, ready=ready)

    # -- acting --------------------------------------------------------------------------------------------------------

    def advance(self, now: float | None = None) -> Check:
        """Take the next step where the present one is served and fine; gives the check after it.

        Raises
        ------
        UsageError
            Where it may not advance; the message says why.
        """
        moment = self.clock.time() if now is None else now
        with self._lock:
            found = self.check(moment)
            if not found.ready:
                raise UsageError(
                    f"{found.phase} cannot advance: {found.state}, {found.why}",
                    hint=f"{found.covered_s:.0f} s of {found.needed_s:.0f} s are served; see `calib canary check`",
                )
            progress = self.progress
            if progress.step + 1 >= len(self.settings.schedule):
                raise UsageError("every symbol uses the cache already", hint="There is no further step")
            if self.baseline is None:
                raise UsageError("there is no baseline to be held against", hint="Make one: `calib canary accept`")
            progress.step += 1
            progress.since, progress.covered_s, progress.newest = moment, 0.0, None
            self._enable()
            self._save()
            split = self.settings.schedule[progress.step].split
            self._audit({"event": "advanced", "ts": moment, "split": split, "enabled": progress.enabled})
            return self._judge(moment)

    def roll_back(self, reason: str, now: float | None = None) -> None:
        """Take the cache back from every symbol, by hand."""
        moment = self.clock.time() if now is None else now
        with self._lock:
            self.reload()
            if self.progress.rollback is None:
                self._roll_back(moment, f"by hand: {reason}", measure((), None))

    def reset(self, reason: str, now: float | None = None, *, by: str = "") -> dict[str, Any] | None:
        """Clear the latch, for an operator: the canary begins again in shadow. Gives the rollback that was cleared."""
        moment = self.clock.time() if now is None else now
        with self._lock:
            self.reload()
            cleared = self.progress.rollback
            if cleared is not None:
                self.store.audit({"event": "reset", "ts": moment, "reason": reason, "by": by})
                self.progress = Progress(since=moment, symbols=self.progress.symbols)
                self.recent = Recent(self.max_ticks)
                self.store.save(asdict(self.progress))
            return cleared

    def _roll_back(self, now: float, why: str, measures: Measures) -> None:
        record = {"event": "rollback", "ts": now, "why": why, "step": self.progress.step}
        record |= {"enabled": self.progress.enabled, "measures": asdict(measures)}
        self.progress.rollback = record  # from here on no symbol uses the cache, whatever fails below
        self._save()
        self._audit(record)
        if self.on_rollback is not None:
            try:
                self.on_rollback(record)
            except Exception as error:  # whatever the owner's hook does, the rollback stands
                self._audit({"event": "hook_failed", "ts": now, "error": f"{type(error).__name__}: {error}"})

    # -- keeping -------------------------------------------------------------------------------------------------------

    def _join(self, symbols: Iterable[str]) -> None:
        fresh = [symbol for symbol in symbols if symbol not in self.progress.symbols]
        self.progress.symbols += fresh
        if fresh:
            self._enable()

    def _enable(self) -> None:
        progress = self.progress
        if progress.step == SHADOW:
            return
        # At least one symbol: a step of nobody would be served without having shown anything.
        split = max(self.settings.schedule[progress.step].split, 1 / max(1, len(progress.symbols)))
        chosen = rank_rule(self.settings.salt, progress.symbols, split, progress.enabled)
        progress.enabled = sorted(chosen | set(progress.enabled))

    def status(self) -> dict[str, Any]:
        """Where the canary stands, as plain data, without judging anew."""
        self.reload()
        progress = self.progress
        steps = [{"split": step.split, "min_s": step.min_s} for step in self.settings.schedule]
        baseline = self.baseline
        return {
            **asdict(progress),
            "state": str(State.ROLLED_BACK) if progress.rollback else "RUNNING",
            "phase": "shadow" if progress.step == SHADOW else f"{100 * steps[progress.step]['split']:g} %",
            "steps": steps,
            "baseline": None if baseline is None else {"name": baseline.name, "version": baseline.version},
            "store_error": self._store_error,
        }

    def _save(self) -> None:
        try:
            self.store.save(asdict(self.progress))
            self._store_error = ""
        except CalibError as error:  # the disk must not stop a rollback; status() says it
            self._store_error = str(error)

    def _audit(self, record: dict[str, Any]) -> None:
        try:
            self.store.audit(record)
        except CalibError as error:
            self._store_error = str(error)


def shadow_failures(found: Measures, settings: CanarySettings) -> list[str]:
    """The criteria of the shadow that are not met, in words; a missing figure is not met."""
    rules = (
        ("hit ratio", found.hit_ratio, ">=", settings.shadow_min_hit_ratio, ""),
        ("fetch_md p95", found.fetch_md_p95_ms, "<=", settings.shadow_max_fetch_ms, " ms"),
        ("tick_total p95", found.tick_total_p95_ms, "<=", settings.shadow_max_tick_ms, " ms"),
        ("deadline misses", found.deadline_miss_rate, "<", settings.shadow_max_deadline_miss_rate, ""),
    )
    failed = []
    for name, value, relation, limit, unit in rules:
        met = value is not None and {">=": value >= limit, "<=": value <= limit, "<": value < limit}[relation]
        if not met:
            shown = "unknown" if value is None else f"{value:.4g}{unit}"
            failed.append(f"{name} {shown}, must be {relation} {limit:g}{unit}")
    return failed
