"""The AB harness that a bot embeds: routes symbols, records fills and ticks, evaluates, and rolls back."""

from __future__ import annotations

import copy
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from calib.clock import Clock, SystemClock
from calib.errors import CalibError, ConfigError, UsageError
from calib.experiments.ab_state import SCHEMA as SCHEMA
from calib.experiments.ab_state import STATE_SHAPE, load_progress
from calib.experiments.engine import EvaluationStep, ExperimentEngine
from calib.experiments.exposure import ExposureLog
from calib.experiments.latch import Store, write_whole
from calib.experiments.records import Fill, TickRecord, make_fill, make_tick, usable_ts
from calib.experiments.report import build_report, verdicts
from calib.experiments.rollback import OPERATOR, RollbackLatch, brief, new_id, operator
from calib.experiments.routing import A, Assignment, B, Router
from calib.experiments.settings import ABSettings
from calib.experiments.states import Mode, State

MAX_PENDING: Final = 50_000
"""Maximum number of records before an evaluation; recording beyond it evaluates, to bound memory."""

Hook = Callable[[dict[str, Any]], None]
ReportWriter = Callable[[dict[str, Any]], Path]
"""Writes the record of `ABHarness.report` and returns the path."""


class ABHarness:
    """An experiment with safety gates: B against A; a violated gate rolls back until an operator's reset.

    Parameters
    ----------
    mode
        ``dry`` (all routed to A), ``shadow`` (routed and evaluated) or ``online`` (also rolled back).
    split_pct
        Share of the symbols in B, a fraction in [0, 1]; switchback requires 0.5.
    symbols
        The symbols of the experiment; see `assign_symbols`.
    settings
        Rules, thresholds and windows.
    whitelist, blacklist
        Symbols that are always in B, or always in A. The sequential tests exclude them.
    directory
        The directory of ``state.json``, ``audit.jsonl`` and ``exposure.jsonl``; None keeps no files.
    on_rollback
        Called with the rollback's record once every symbol is routed to A; if it raises, the error is audited and the
        rollback stands.
    clock
        The clock of calls without ``now``.
    router
        Another router, for the evaluation of recorded feeds.
    report_writer
        Writes a report and returns its path, at a rollback and for `export_report`; see
        `calib.reports.ab.report_writer`. None writes reports as JSON into ``directory``.

    Every method may be called from any thread.

    Raises
    ------
    ConfigError
        For values out of range.
    BadState
        If the state in the directory is damaged: starting without it could lose a rollback.

    >>> harness = ABHarness("online", 0.5, symbols=["BTCUSDT", "ETHUSDT"], settings=ABSettings(assignment="rank"))
    >>> sorted(harness.assign_symbols(["BTCUSDT", "ETHUSDT"]).values())
    ['A', 'B']
    """

    def __init__(
        self,
        mode: str = "dry",
        split_pct: float = 0.5,
        *,
        symbols: Sequence[str] = (),
        settings: ABSettings | None = None,
        whitelist: Sequence[str] = (),
        blacklist: Sequence[str] = (),
        directory: str | Path | None = None,
        on_rollback: Hook | None = None,
        clock: Clock | None = None,
        router: Router | None = None,
        report_writer: ReportWriter | None = None,
    ) -> None:
        self.mode = _mode(mode)
        self.settings = settings or ABSettings()
        self.router = router or Router(
            Assignment(self.settings.assignment),
            self.settings.salt,
            split_pct,
            block_s=self.settings.block_s,
            whitelist=whitelist,
            blacklist=blacklist,
        )
        self.on_rollback = on_rollback
        self.clock: Clock = clock or SystemClock()
        self.counts: Counter[str] = Counter()
        self.report_writer = report_writer
        home = None if directory is None else Path(directory)
        self.store = Store(home, SCHEMA, STATE_SHAPE)
        self.latch = RollbackLatch(self.store)
        self.exposure = ExposureLog(home)
        self._records: list[Fill | TickRecord] = []
        self._recording = threading.Lock()
        self._evaluating = threading.RLock()
        self._errors: dict[str, str] = {}
        """Errors of reading and writing the state, by operation (``read``, ``state``)."""
        self._cleared: frozenset[str] = frozenset()
        self._saved: dict[str, Any] = {}
        self.engine = ExperimentEngine(self.settings, self.router)
        self._restore()
        if self.router.add(symbols):
            self._save()

    @property
    def rollback(self) -> dict[str, Any] | None:
        """The record of the rollback that is in force, or None."""
        return self.latch.record

    # -- routing -------------------------------------------------------------------------------------------------------

    def assign_symbols(self, symbols: Iterable[str], now: float | None = None) -> dict[str, str]:
        """Add symbols and return the arm that each symbol is routed to now; symbols in B stay in B."""
        with self._evaluating:
            if self.router.add(symbols):
                self._save()  # otherwise symbols could leave B at a restart
        moment = self.clock.time() if now is None else now
        return {symbol: self.bucket(symbol, moment) for symbol in self.router.symbols}

    def bucket(self, symbol: str, now: float | None = None) -> str:
        """Return the arm of a symbol at ``now`` (Unix s): A for all symbols when dry or rolled back."""
        moment = self.clock.time() if now is None else now
        arm = A if self.rollback is not None or self.mode is Mode.DRY else self._assigned(symbol, moment)
        self.exposure.record(symbol, arm, moment, str(self.mode))
        return arm

    def _assigned(self, symbol: str, ts: float) -> str:
        router = self.router
        if router.rule is Assignment.HASH and symbol not in router.symbols:
            with self._evaluating:
                router.add([symbol])
        start = self.settings.treatment_from
        return A if start is not None and ts < start else router.arm(symbol, ts)

    def set_split(self, split: float) -> None:
        """Change the share of symbols in B (a fraction); increasing it only adds symbols to B.

        With persistent arms this starts new tests, because a moved symbol has been in both arms.
        """
        with self._evaluating:
            before = {symbol: self.router.arm(symbol, 0.0) for symbol in self.router.unlisted()}
            self.router.set_split(split)
            if any(self.router.arm(symbol, 0.0) != arm for symbol, arm in before.items()):
                self.engine = ExperimentEngine(self.settings, self.router)
            self._save()

    # -- recording -----------------------------------------------------------------------------------------------------

    def record_fill(
        self,
        symbol: str,
        ts: float,
        side: str,
        price: float,
        qty: float,
        liquidity: str,
        *,
        quote_price: float | None = None,
        mid_at_quote: float | None = None,
        mid_now: float | None = None,
        slip_bps: float | None = None,
        fee_bps: float | None = None,
        quote_id: str | None = None,
        ts_quote: float | None = None,
        bucket: str | None = None,
    ) -> None:
        """Record one fill; the fields are those of the feed ``fills``.

        It belongs to ``bucket``, else to the arm of its symbol at the time of its quote (``ts_quote``, else ``ts``). An
        invalid fill is counted by reason and does not raise: see ``counts`` of `status`.
        """
        if self.rollback is not None:
            self._count("after_rollback")
            return
        ts_block = ts_quote if ts_quote is not None and usable_ts(ts_quote) else ts
        made = make_fill(
            symbol, ts, side, price, qty, liquidity, A, quote_price=quote_price, mid_at_quote=mid_at_quote,
            mid_now=mid_now, slip_bps=slip_bps, fee_bps=fee_bps, quote_id=quote_id, ts_block=ts_block,
        )  # fmt: skip
        if made is None:
            self._count("rejected_fill")
            return
        arm = self._arm_of_record(symbol, ts_block, bucket)
        if arm is not None:
            self._record(made if arm == A else made._replace(bucket=arm))

    def record_tick(
        self,
        symbol: str,
        ts: float,
        tick_total_ms: float,
        deadline_miss: bool,
        *,
        n_quotes: int | None = None,
        sample_rate: int | None = None,
        bucket: str | None = None,
    ) -> None:
        """Record one tick of the pipeline; the fields are those of the feed ``pipeline_ticks``."""
        if self.rollback is not None:
            self._count("after_rollback")
            return
        made = make_tick(symbol, ts, tick_total_ms, deadline_miss, A, n_quotes=n_quotes, sample_rate=sample_rate)
        if made is None:
            self._count("rejected_tick")
            return
        arm = self._arm_of_record(symbol, ts, bucket)
        if arm is not None:
            self._record(made if arm == A else made._replace(bucket=arm))

    def _arm_of_record(self, symbol: str, ts: float, bucket: str | None) -> str | None:
        if bucket is not None:
            if bucket in (A, B):
                return bucket
            self._count("rejected_bucket")
            return None
        router = self.router
        if symbol in router.symbols or router.listed(symbol):
            return router.arm(symbol, ts)
        if router.rule is Assignment.HASH:
            with self._evaluating:
                router.add([symbol])
            return router.arm(symbol, ts)
        self._count("unassigned")
        return None

    def _count(self, reason: str) -> None:
        with self._recording:
            self.counts[reason] += 1

    def _record(self, record: Fill | TickRecord) -> None:
        with self._recording:
            self._records.append(record)
            full = len(self._records) >= MAX_PENDING
        if full:
            self.evaluate(record.ts)

    # -- evaluating ----------------------------------------------------------------------------------------------------

    def evaluate(self, now: float | None = None) -> State:
        """Evaluate every grid point up to ``now`` (Unix s), roll back if the decision requires it; returns the state.

        Changes of other processes and operators are loaded first: their rollback takes effect here too, their reset
        starts new tests. Writes that failed before are retried.
        """
        moment = self.clock.time() if now is None else now
        with self._evaluating:
            self._follow()
            if self.rollback is None:
                self._advance(moment)
            self.latch.persist()
            if "state" in self._errors:
                self._save()
            self.exposure.flush()
        self.latch.announce(self._write_report, self.on_rollback)
        return self.state

    def roll_back(self, reason: str, now: float | None = None) -> None:
        """Roll back manually and at once: every symbol is routed to A until a reset."""
        moment = self.clock.time() if now is None else now
        if self.rollback is None:
            self.latch.set(manual_rollback(reason, moment))
        with self._evaluating:
            self._save()
        self.latch.announce(self._write_report, self.on_rollback)

    def _advance(self, now: float) -> None:
        with self._recording:
            records, self._records = self._records, []
        engine = self.engine
        longest = max(self.settings.max_gap_fills_s, self.settings.max_gap_ticks_s)
        if engine.grid is not None and now < engine.grid - longest:
            engine.rebase(now)
            self.latch.audit({"event": "clock_went_back", "ts": now})
        engine.take(records)
        moved = False
        for step in engine.advance(now):
            moved = True
            if step.acting(self.settings.decision) is not None and self.mode is Mode.ONLINE:
                self._roll_back(step)
                return
        if moved:
            self._save()

    def _roll_back(self, step: EvaluationStep) -> None:
        gate = step.acting(self.settings.decision)
        name = gate.gate if gate else ""
        # From this call on every thread is routed to A; a later failure does not undo it.
        self.latch.set(
            {
                "event": "rollback",
                "id": new_id(step.ts, name),
                "ts": step.ts,
                "decision": self.settings.decision,
                "gate": name,
                "evidence": gate.evidence if gate else {},
                "threshold": step.threshold.to_json(),
                "sequential": step.sequential.to_json(),
            }
        )
        self._save()

    # -- status and reports --------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """ROLLED_BACK, or the last state of the deciding rules; NODATA before the first evaluation."""
        if self.rollback is not None:
            return State.ROLLED_BACK
        last = self.engine.last
        if last is None:
            return State.NODATA
        if last.forced is not None:
            return State.VIOLATING
        return last.verdict(self.settings.decision).state

    @property
    def rollbacks(self) -> dict[str, int]:
        """Number of rollbacks by gate, including those an operator cleared."""
        return self.latch.by_gate

    def status(self) -> dict[str, Any]:
        """Return the status as plain data: state, rollback, both verdicts, counts of excluded records."""
        with self._evaluating:
            return {
                "mode": str(self.mode),
                "decision": self.settings.decision,
                "state": str(self.state),
                "rollback": self.rollback,
                "rollback_on_disk": self._on_disk(),
                "evaluated_to": self.engine.grid,
                "verdicts": verdicts(self.engine),
                "counts": dict(sorted((self.counts + self.engine.counts).items()))
                | {"late_for_block": self.engine.blocks.late, "exposures_lost": self.exposure.lost},
                "store_error": "; ".join({**self._errors, **self.latch.errors}.values()),
            }

    def _on_disk(self) -> bool | None:
        """Whether every file records the rollback in force; None without a rollback or without a directory."""
        if self.rollback is None or self.store.directory is None:
            return None
        return not self.latch.pending and "state" not in self._errors

    def report(self) -> dict[str, Any]:
        """Return a report as plain JSON data: metrics by arm, deltas, gates, sample-ratio check, timelines."""
        with self._evaluating:
            moment = self.engine.grid if self.engine.grid is not None else 0.0
            return self.status() | build_report(self.engine, self.router, moment)

    def export_report(self) -> Path:
        """Write the report and return its path: by ``report_writer``, else as JSON into ``directory``.

        Raises
        ------
        UsageError
            If there is neither.
        UnwritableOutput
            If the file cannot be written.
        """
        path = self._write_report()
        if path is None:
            raise UsageError("no place to write the report", hint="Give a directory or a report_writer")
        return path

    def _write_report(self) -> Path | None:
        record = self.report()
        if self.report_writer is not None:
            return self.report_writer(record)
        if self.store.directory is None:
            return None
        stamp = f"{record['range']['from']:.0f}_{record['range']['to']:.0f}"
        path = self.store.directory / "reports" / f"ab_run_{stamp}.json"
        write_whole(path, json.dumps(record, allow_nan=False, indent=1).encode() + b"\n")
        return path

    # -- state ---------------------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        state = self.store.load()
        self.latch.merge(state)
        self.latch.refresh()
        self.latch.mark_state_read()
        self._cleared = self.latch.cleared
        if state is not None:
            self._resume(state)
        if self.rollback is not None:
            self.latch.mark_announced()
            self.latch.persist()  # adds what the audit lacks if the process was killed between two writes

    def _resume(self, state: dict[str, Any]) -> None:
        fingerprint = self.settings.fingerprint()
        if state.get("fingerprint") == fingerprint:
            self.router.load_state(state["router"].get("symbols", ()), state["router"].get("ranked", ()))
            if state.get("progress") is not None and self._knows_newest_reset(state):
                load_progress(self.engine, state["progress"], str(self.store.state_path))
        elif state.get("fingerprint") is not None:
            self.latch.audit({"event": "new_settings", "ts": self.clock.time(), "was": state["fingerprint"]})

    def _knows_newest_reset(self, state: dict[str, Any]) -> bool:
        """Whether the state was written after the newest reset; timers and tests from before it are discarded."""
        resets = self.latch.resets
        return not resets or any(reset["ts"] == resets[-1]["ts"] for reset in state["resets"])

    def _save(self) -> None:
        if self.store.directory is None:
            return
        body: dict[str, Any] = {
            "fingerprint": self.settings.fingerprint(),
            "router": self.router.to_state(),
            "progress": self.engine.to_state(),
        }
        # The grid point changes every few seconds and is recovered from the records: not worth a write to disk.
        lasting = {**body, **self.latch.to_state(), "progress": {**body["progress"], "grid": None}}
        if lasting == self._saved and "state" not in self._errors:
            return

        def change(current: dict[str, Any] | None) -> dict[str, Any]:
            self.latch.merge(current)  # a rollback in force, here or on disk, takes precedence
            mine = body if self.latch.cleared == self._cleared else {**body, "progress": None}
            return {**mine, **self.latch.to_state()}

        try:
            self.store.update(change)
        except CalibError as error:  # a full disk must not block a rollback: status() reports it, evaluate() retries
            self._errors["state"] = brief(error)
        else:
            self._saved = copy.deepcopy(lasting)
            self._errors.pop("state", None)
            self.latch.mark_state_read()

    def _follow(self) -> None:
        """Load rollbacks and resets of other processes; a reset starts a new experiment."""
        try:
            self.latch.refresh()
            self.latch.refresh_from_state()
            self._errors.pop("read", None)
        except CalibError as error:  # a rollback in memory stays in force
            self._errors["read"] = brief(error)
        cleared = self.latch.cleared
        if cleared != self._cleared:
            self._cleared = cleared
            self.engine = ExperimentEngine(self.settings, self.router)
            with self._recording:
                self._records = []
            self._save()


def manual_rollback(reason: str, now: float) -> dict[str, Any]:
    """Return the record of an operator's rollback."""
    return {
        "event": "rollback",
        "id": new_id(now, OPERATOR),
        "ts": now,
        "decision": OPERATOR,
        "gate": OPERATOR,
        "evidence": {"why": f"by hand: {reason}"},
        "reason": reason,
        **operator(),
    }


def _mode(mode: str) -> Mode:
    try:
        return Mode(mode)
    except ValueError:
        raise ConfigError(f"{mode!r} is not a valid mode", where="mode", hint="Allowed: dry, shadow, online") from None
