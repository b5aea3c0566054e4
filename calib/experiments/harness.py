"""The harness a bot embeds: routes symbols, records what they did, judges, and rolls back."""

from __future__ import annotations

import copy
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from calib.clock import Clock, SystemClock
from calib.errors import CalibError, ConfigError
from calib.experiments import latch
from calib.experiments.engine import EvaluationStep, ExperimentEngine
from calib.experiments.exposure import ExposureLog
from calib.experiments.records import Fill, TickRecord, net_bps, positive, slippage_bps, usable_ts
from calib.experiments.report import build_report, verdicts
from calib.experiments.routing import A, Assignment, B, Router
from calib.experiments.settings import ABSettings
from calib.experiments.states import Mode, State

SCHEMA: Final = "calib.ab-state/1"
MAX_PENDING: Final = 50_000
"""Records that wait for an evaluation; with more, recording itself evaluates, so that memory stays bounded."""

Hook = Callable[[dict[str, Any]], None]


class ABHarness:
    """An experiment with safety gates: B against A, rolled back for good where a gate is violated.

    Parameters
    ----------
    mode
        ``dry`` (all routed to A), ``shadow`` (routed and judged) or ``online`` (also rolled back).
    split_pct
        Share of the symbols in B, a fraction in [0, 1]; switchback takes 0.5 only.
    symbols
        The symbols of the experiment; see `assign_symbols`.
    settings
        Rules, thresholds and windows.
    whitelist, blacklist
        Symbols that are always in B, or always in A. The sound tests leave them out.
    directory
        Where ``state.json``, ``audit.jsonl`` and ``exposure.jsonl`` are kept; None keeps nothing.
    on_rollback
        Called with the rollback's record once everything runs A; its failure is audited and changes nothing.
    clock
        For calls without ``now``.
    router
        Another router, for an evaluation of what was recorded.

    Every method may be called from any thread.

    Raises
    ------
    ConfigError
        For values out of range.
    BadState
        Where the directory holds a damaged state: a latch might be lost.

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
        self.rollback: dict[str, Any] | None = None
        """The record of the rollback that is latched, or None."""
        home = None if directory is None else Path(directory)
        self.store = latch.Store(home, SCHEMA)
        self.exposure = ExposureLog(home)
        self._resets: list[dict[str, Any]] = []
        self._records: list[Fill | TickRecord] = []
        self._recording = threading.Lock()
        self._evaluating = threading.RLock()
        self._store_error = ""
        self._saved: dict[str, Any] = {}
        self.engine = ExperimentEngine(self.settings, self.router)
        self._restore()
        if self.router.add(symbols):
            self._save()

    # -- routing -------------------------------------------------------------------------------------------------------

    def assign_symbols(self, symbols: Iterable[str], now: float | None = None) -> dict[str, str]:
        """Let symbols join and give the arm that each is routed to now; who is in B stays there."""
        with self._evaluating:
            if self.router.add(symbols):
                self._save()  # who is in B must still be so after a restart
        moment = self.clock.time() if now is None else now
        return {symbol: self.bucket(symbol, moment) for symbol in self.router.symbols}

    def bucket(self, symbol: str, now: float | None = None) -> str:
        """The arm that a symbol runs at ``now`` (Unix s): A for all when dry or rolled back."""
        moment = self.clock.time() if now is None else now
        arm = A if self.rollback is not None or self.mode is Mode.DRY else self._assigned(symbol, moment)
        self.exposure.see(symbol, arm, moment, str(self.mode))
        return arm

    def _assigned(self, symbol: str, ts: float) -> str:
        router = self.router
        if router.rule is Assignment.HASH and symbol not in router.symbols:
            with self._evaluating:
                router.add([symbol])
        start = self.settings.treatment_from
        return A if start is not None and ts < start else router.arm(symbol, ts)

    def set_split(self, split: float) -> None:
        """Ramp to another share of symbols in B (a fraction); growing it only ever adds symbols.

        With persistent arms this begins new tests: a symbol that moved has been in both arms.
        """
        with self._evaluating:
            before = {symbol: self.router.arm(symbol, 0.0) for symbol in self.router.dealt()}
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

        It belongs to ``bucket``, else to the arm its quote (``ts_quote``, else ``ts``) was routed by. A fill that
        cannot be used is counted by reason, never raised: see ``counts`` of `status`.
        """
        if self.rollback is not None:
            self._count("after_rollback")
            return
        known = side in ("buy", "sell") and liquidity in ("maker", "taker")
        if not (known and usable_ts(ts) and positive(price) and positive(qty)):
            self._count("rejected_fill")
            return
        sign = 1 if side == "buy" else -1
        block_ts = ts_quote if ts_quote is not None and usable_ts(ts_quote) else ts
        arm = self._arm_of_record(symbol, block_ts, bucket)
        if arm is None:
            return
        record = Fill(
            round(ts, 6),
            block_ts,
            symbol,
            arm,
            price * qty,
            net_bps(sign, price, mid_at_quote, mid_now, fee_bps or 0.0),
            slippage_bps(sign, price, quote_price, slip_bps),
            liquidity == "taker",
            quote_id,
        )
        self._record(record)

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
        if not (usable_ts(ts) and 0 <= tick_total_ms < math.inf):
            self._count("rejected_tick")
            return
        arm = self._arm_of_record(symbol, ts, bucket)
        if arm is None:
            return
        quotes = (1 if n_quotes is None else n_quotes) * (1 if sample_rate is None else sample_rate)
        self._record(TickRecord(round(ts, 6), symbol, arm, tick_total_ms, bool(deadline_miss), quotes))

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

    # -- judging -------------------------------------------------------------------------------------------------------

    def evaluate(self, now: float | None = None) -> State:
        """Judge every grid point up to ``now`` (Unix s) and act where the deciding rules say so; gives the state."""
        moment = self.clock.time() if now is None else now
        fired: dict[str, Any] | None = None
        with self._evaluating:
            self._see_reset()
            if self.rollback is None:
                fired = self._advance(moment)
            self.exposure.flush()
        if fired is not None:
            self._call_hook(fired)
        return self.state

    def _advance(self, now: float) -> dict[str, Any] | None:
        with self._recording:
            records, self._records = self._records, []
        engine = self.engine
        longest = max(self.settings.max_gap_fills_s, self.settings.max_gap_ticks_s)
        if engine.grid is not None and now < engine.grid - longest:
            engine.rebase(now)
            self._audit({"event": "clock_went_back", "ts": now})
        engine.take(records)
        moved = False
        for step in engine.advance(now):
            moved = True
            gate = step.acting(self.settings.decision)
            if gate is not None and self.mode is Mode.ONLINE:
                return self._roll_back(step)
        if moved:
            self._save()
        return None

    def _roll_back(self, step: EvaluationStep) -> dict[str, Any]:
        gate = step.acting(self.settings.decision)
        record = {
            "event": "rollback",
            "id": f"{step.ts:.3f}-{gate.gate if gate else ''}",
            "ts": step.ts,
            "decision": self.settings.decision,
            "gate": gate.gate if gate else "",
            "evidence": gate.evidence if gate else {},
            "seed": step.seed.to_json(),
            "sound": step.sound.to_json(),
        }
        # From this assignment on every thread is routed to A; what follows may fail without undoing it.
        self.rollback = record
        self._save()
        self._audit(record)
        return record

    def _call_hook(self, record: dict[str, Any]) -> None:
        if self.on_rollback is None:
            return
        try:
            self.on_rollback(record)
        except Exception as error:  # whatever the owner's hook does, the rollback stands
            self._audit({"event": "hook_failed", "ts": record["ts"], "error": f"{type(error).__name__}: {error}"})

    # -- looking -------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """ROLLED_BACK, or what the deciding rules said last; NODATA before the first evaluation."""
        if self.rollback is not None:
            return State.ROLLED_BACK
        last = self.engine.last
        if last is None:
            return State.NODATA
        if last.nodata is not None:
            return State.VIOLATING
        return (last.seed if self.settings.decision == "seed" else last.sound).state

    @property
    def rollbacks(self) -> dict[str, int]:
        """Rollbacks so far by gate, those that an operator cleared included (the latest 100 of these)."""
        cleared = [str(entry.get("rollback_id", "")) for entry in list(self._resets)]
        latched = self.rollback
        ids = [*cleared, *([] if latched is None else [str(latched["id"])])]
        return dict(Counter(identity.partition("-")[2] for identity in ids))

    def status(self) -> dict[str, Any]:
        """Where the experiment stands, as plain data: state, latch, both verdicts, counts of what was left out."""
        with self._evaluating:
            return {
                "mode": str(self.mode),
                "decision": self.settings.decision,
                "state": str(self.state),
                "rollback": self.rollback,
                "evaluated_to": self.engine.grid,
                "verdicts": verdicts(self.engine),
                "counts": dict(sorted((self.counts + self.engine.counts).items()))
                | {"late_for_block": self.engine.blocks.late, "exposures_lost": self.exposure.lost},
                "store_error": self._store_error,
            }

    def export_report(self) -> dict[str, Any]:
        """Everything a report shows, as plain JSON data: metrics by arm, deltas, gates, ratio check, timelines."""
        with self._evaluating:
            moment = self.engine.grid if self.engine.grid is not None else 0.0
            return self.status() | build_report(self.engine, self.router, moment)

    # -- keeping -------------------------------------------------------------------------------------------------------

    def _fingerprint(self) -> dict[str, Any]:
        names = ("assignment", "salt", "block_s", "alpha", "slippage_margin_bps", "taker_margin", "warmup_blocks")
        more = ("latency_margin_ratio", "max_deadline_miss_rate", "horizon_s", "treatment_from", "eval_s", "hold_s")
        return {name: getattr(self.settings, name) for name in names + more}

    def _restore(self) -> None:
        state = self.store.load()
        if state is None:
            return
        self.rollback = state.get("rollback")
        self._resets = state.get("resets", [])
        router = state.get("router", {})
        if state.get("fingerprint") == self._fingerprint():
            self.router.load_state(router.get("symbols", ()), router.get("ranked", ()))
            if state.get("progress") is not None:
                self.engine.load_state(state["progress"])
        elif state.get("fingerprint") is not None:
            self._audit({"event": "new_settings", "ts": self.clock.time(), "was": state["fingerprint"]})
        if self.rollback is not None:
            identity = self.rollback["id"]
            if not any(event.get("id") == identity for event in self.store.events()):
                # Killed between the state file and the audit: the evidence is in the state, so the line is made good.
                self._audit(self.rollback)

    def _save(self) -> None:
        body: dict[str, Any] = {
            "fingerprint": self._fingerprint(),
            "router": self.router.to_state(),
            "rollback": self.rollback,
            "resets": self._resets,
            "progress": self.engine.to_state(),
        }
        # The grid alone moves every few seconds and is found again from the records: not worth a write to disk.
        lasting = {**body, "progress": {**body["progress"], "grid": None}}
        if self.store.directory is None or lasting == self._saved:
            return
        try:
            self.store.save(body)
            self._saved = copy.deepcopy(lasting)
            self._store_error = ""
        except CalibError as error:  # the disk must not stop a rollback; status() says it
            self._store_error = str(error)

    def _audit(self, record: dict[str, Any]) -> None:
        try:
            self.store.audit(record)
        except CalibError as error:
            self._store_error = str(error)

    def _see_reset(self) -> None:
        """While latched, look whether an operator has cleared the state file; then begin a new experiment."""
        if self.rollback is None or self.store.directory is None:
            return
        try:
            state = self.store.load()
        except CalibError as error:
            self._store_error = str(error)
            return
        if state is None:
            return  # a missing file clears nothing
        resets = state.get("resets", [])
        cleared = any(entry.get("rollback_id") == self.rollback["id"] for entry in resets)
        if state.get("rollback") is None and cleared:
            self._resets = resets
            self._saved = {}
            self.engine = ExperimentEngine(self.settings, self.router)
            with self._recording:
                self._records = []
            self.rollback = None


def _mode(mode: str) -> Mode:
    try:
        return Mode(mode)
    except ValueError:
        raise ConfigError(f"{mode!r} is no mode", where="mode", hint="Allowed: dry, shadow, online") from None
