"""The emergency procedure: stop, switch the cache off, ask afresh, validate; and a latch that only people clear."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from calib.clock import Clock, SystemClock
from calib.errors import ConfigError
from calib.policy.default import default_monitor
from calib.policy.emergency.engine import TradingEngine
from calib.policy.emergency.latch import Latch
from calib.policy.emergency.runner import EmergencyOutcome, ProcedureRunner
from calib.policy.emergency.state import CacheViolation, Phase, StepName
from calib.policy.emergency.steps import bounded
from calib.policy.emergency.store import EmergencyStore
from calib.policy.monitor import CacheComplianceMonitor
from calib.policy.safety import SafetyCheck
from calib.policy.settings import SETTINGS

STEP_TIMEOUT_S: Final[float] = SETTINGS["policy.step_timeout_s"].default
_LOG: Final = logging.getLogger("calib.policy")


class EmergencyResponse:
    """Stops trading once and for all when cached trading data is found; an operator alone lets it begin again.

    The order: the latch is set in memory, then on disk, then `TradingEngine.stop_trading`,
    `disable_cache_component`, `enable_fresh_api_mode`, `validate_no_cached_trading_data`. However many violations
    arrive at once, from tasks or threads, each step runs once; another component that turns up is disabled and
    validated too. A step that fails or is late escalates, and the later ones still run. Nothing here resumes:
    ``calib policy resume`` clears the latch in the state file.

    Parameters
    ----------
    engine
        The bot.
    directory
        Of the state file and its audit, shared with the operator and with other processes of the bot; None: the latch
        lives in memory only and the process must be restarted to clear it (tests, rehearsals).
    owner
        Name of this process among those that share the directory; the same after a restart.
    monitor
        Whose caches are switched off; default: the process's monitor.
    step_timeout_s
        Longest duration of a step, seconds, > 0; also how long the disk is waited for.
    escalate
        ``(sentence)``, plain or async: called for each step that failed or was late. It is logged as critical anyway.
    clock
        For time stamps.
    loop
        The event loop that the engine lives on; default: the one that runs where this object is made, if any.
        Violations from other threads run the procedure there.

    Raises
    ------
    calib.errors.BadState
        Where the state file is damaged: the bot must not trade on an assumption.

    >>> from calib.policy import CacheComplianceMonitor
    >>> from calib.policy.emergency import FakeTradingEngine
    >>> async def rehearse() -> None:
    ...     engine = FakeTradingEngine()
    ...     response = EmergencyResponse(engine, monitor=CacheComplianceMonitor())
    ...     outcome = await response.handle_cache_violation("balance_cache_access", "wallet")
    ...     print(outcome.safety.passed, engine.calls, response.trading_allowed())
    >>> asyncio.run(rehearse())
    True ['stop_trading', 'disable_cache', 'enable_fresh_api_mode', 'cached_trading_data'] False
    """

    def __init__(
        self,
        engine: TradingEngine,
        directory: Path | None = None,
        *,
        owner: str = "bot",
        monitor: CacheComplianceMonitor | None = None,
        step_timeout_s: float = STEP_TIMEOUT_S,
        escalate: Callable[[str], Any] | None = None,
        clock: Clock | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not step_timeout_s > 0:
            raise ConfigError(f"step_timeout_s is {step_timeout_s!r}", hint="Allowed: a number of seconds above 0")
        self.engine = engine
        self._monitor = monitor
        self._timeout_s = step_timeout_s
        self._clock: Clock = SystemClock() if clock is None else clock
        self._latch = Latch(None if directory is None else EmergencyStore(directory), owner, self._clock)
        self._runner = ProcedureRunner(
            self._latch,
            self._call,
            timeout_s=step_timeout_s,
            escalate=escalate,
            clock=self._clock,
            loop=_running_loop() if loop is None else loop,
        )
        self._counts: dict[tuple[str, str], int] | None = None

    # --- what the bot asks

    def trading_allowed(self) -> bool:
        """Whether the bot may trade: ask before every order. It looks at the date of the state file, nothing more."""
        return self._latch.look() is not Phase.LATCHED

    @property
    def phase(self) -> Phase:
        """CLEAR, LATCHED or MONITORING."""
        return self._latch.look()

    @property
    def monitor(self) -> CacheComplianceMonitor:
        """Whose caches are switched off."""
        return default_monitor() if self._monitor is None else self._monitor

    def status(self) -> dict[str, Any]:
        """Where it stands, as plain values."""
        phase, emergency, procedure = self._latch.look(), self._latch.emergency, self._latch.procedure
        return {
            "phase": phase.value,
            "emergency_id": None if emergency is None else emergency.id,
            "components": [] if emergency is None else sorted(emergency.components),
            "steps": {f"{one.step}({one.component})" if one.component else one.step: one.ok for one in procedure.steps},
            "safety": None if procedure.safety is None else procedure.safety.passed,
            "escalations": self._runner.escalated,
            "running": self._runner.running,
            "saved": self._latch.saved,
            "save_error": self._latch.save_error,
        }

    # --- the procedure

    async def handle_cache_violation(self, violation_type: str, affected_component: str) -> EmergencyOutcome:
        """Run the procedure, or wait for the run that is under way; for any task and any thread.

        Parameters
        ----------
        violation_type
            What was violated, for the audit.
        affected_component
            Name of the cache.
        """
        seen = CacheViolation(violation_type, affected_component, self._clock.time())
        stops = ": trading stops" if self._latch.set(seen) else ""
        _LOG.critical("cache violation %s in %s%s", violation_type, affected_component, stops)
        return await self._runner.ensure()

    async def recover(self) -> EmergencyOutcome | None:
        """Call it when the bot starts, before it trades; None where no emergency is in force.

        The process before may have been killed amid any step, and this one has stopped nothing yet: the whole
        procedure runs. Called again later, it runs what has failed.
        """
        if self._latch.look() is not Phase.LATCHED:
            return None
        return await self._runner.ensure(retry=True)

    async def watch(self, interval_s: float = 1.0) -> None:
        """Run for ever beside the bot.

        Joins an emergency that another process latched, tries again what has failed, and watches after a resume: in the
        phase MONITORING the validation runs at each interval, and a finding is a new emergency.

        Parameters
        ----------
        interval_s
            Pause between two looks, seconds.
        """
        before = self._latch.look()
        while True:
            phase = self._latch.look()
            if phase is Phase.LATCHED:
                await self._runner.ensure(retry=True)
            elif phase is Phase.MONITORING:
                if before is not Phase.MONITORING or self._counts is None:
                    self._counts = self.monitor.accesses_prohibited
                await self._watch_residual()
            before = phase
            await asyncio.sleep(interval_s)

    async def disable_cache_component(self, component: str) -> int:
        """Switch off every registered cache of that name, then the bot's own; how many were registered."""
        try:
            return self.monitor.disable_component(component, "cache violation")
        finally:
            await self._ask(self.engine.disable_cache, component)
            self._counts = self.monitor.accesses_prohibited

    async def enable_fresh_api_mode(self) -> None:
        """Let the bot ask the exchange at each use."""
        await self._ask(self.engine.enable_fresh_api_mode)

    async def validate_no_cached_trading_data(self) -> SafetyCheck:
        """Look for prohibited data that is still cached: at the monitor's caches, and at the engine."""
        kept = [str(name) for name in await self._ask(self.engine.cached_trading_data)]
        emergency = self._latch.emergency
        components = set() if emergency is None else emergency.components
        enabled = {name: self.monitor.enabled_caches(name) for name in sorted(components)}
        reads = self._reads_since()
        return SafetyCheck.of(
            [
                *(f"the bot still keeps {name}" for name in kept),
                *(f"{name} still serves cached values ({count} enabled)" for name, count in enabled.items() if count),
                *(
                    f"{name} was read for {data_type}: {count} since the last look"
                    for (name, data_type), count in reads
                ),
                *(f"{name} keeps {kind} outside of the policy" for name, kind in self.monitor.prohibited_unmonitored()),
            ]
        )

    # --- inside

    def _reads_since(self) -> list[tuple[tuple[str, str], int]]:
        """Prohibited accesses since the caches were disabled, or since the last look, by (cache, data type)."""
        before, self._counts = self._counts, self.monitor.accesses_prohibited
        if before is None:
            return []
        found = ((pair, count - before.get(pair, 0)) for pair, count in sorted(self._counts.items()))
        return [(pair, more) for pair, more in found if more > 0]

    async def _ask(self, method: Callable[..., Any], *arguments: Any) -> Any:
        return await bounded(functools.partial(method, *arguments), self._timeout_s)

    def _call(self, step: StepName, component: str) -> Callable[[], Any]:
        """The step as the runner calls it."""
        match step:
            case StepName.STOP:
                return functools.partial(self._ask, self.engine.stop_trading, "cached trading data was found")
            case StepName.DISABLE:
                return functools.partial(self.disable_cache_component, component)
            case StepName.FRESH:
                return self.enable_fresh_api_mode
            case StepName.VALIDATE:
                return self.validate_no_cached_trading_data

    async def _watch_residual(self) -> None:
        try:
            check = await bounded(self.validate_no_cached_trading_data, self._timeout_s)
        except Exception as error:
            check = SafetyCheck.of([f"the validation failed: {error}"])
        if not check.passed:
            _LOG.critical("residual monitoring: %s", "; ".join(check.findings))
            await self.handle_cache_violation("residual_monitoring", "residual monitoring")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
