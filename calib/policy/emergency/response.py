"""The emergency procedure: stop trading, disable the cache, fetch fresh data, validate; only an operator resumes."""

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
    """Stops trading when cached trading data is found, until an operator resumes it.

    The order: the latch is set in memory, then on disk, then `TradingEngine.stop_trading`,
    `disable_cache_component`, `enable_fresh_api_mode`, `validate_no_cached_trading_data`. For concurrent violations,
    from tasks or threads, each step runs once; a further component is disabled and validated too. A step that fails or
    times out is escalated, and the later steps still run. This class never resumes: ``calib policy resume`` clears the
    latch in the state file.

    Parameters
    ----------
    engine
        The bot's trading engine.
    directory
        Directory of the state file and its audit, shared with the operator and other processes of the bot; None keeps
        the latch in memory, and only a restart of the process clears it (tests, rehearsals).
    owner
        Name of this process among those that share the directory; the same after a restart.
    monitor
        The monitor whose caches are disabled; default: the process's monitor.
    step_timeout_s
        Timeout of a step and of waiting for the disk, s, > 0.
    escalate
        ``(sentence)``, synchronous or async: called for each step that fails or times out, in addition to a critical
        log line.
    clock
        The clock for time stamps.
    loop
        The event loop of the engine; default: the running loop at construction, if any. Violations from other threads
        run the procedure there.

    Raises
    ------
    calib.errors.BadState
        If the state file is damaged: an emergency could be in force, so the bot must not trade.

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
            raise ConfigError(
                f"step_timeout_s: {step_timeout_s!r} is not allowed", hint="Allowed: a number of seconds above 0"
            )
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

    # --- calls of the bot

    def trading_allowed(self) -> bool:
        """Return whether the bot may trade; call it before every order. Costs one stat of the state file."""
        return self._latch.look() is not Phase.LATCHED

    @property
    def phase(self) -> Phase:
        """CLEAR, LATCHED or MONITORING."""
        return self._latch.look()

    @property
    def monitor(self) -> CacheComplianceMonitor:
        """The monitor whose caches are disabled."""
        return default_monitor() if self._monitor is None else self._monitor

    def status(self) -> dict[str, Any]:
        """Return the status as plain values."""
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
        """Run the procedure, or wait for the running one; callable from any task and thread.

        Parameters
        ----------
        violation_type
            Type of the violation, for the audit.
        affected_component
            Name of the cache.
        """
        seen = CacheViolation(violation_type, affected_component, self._clock.time())
        stops = ": trading stops" if self._latch.set(seen) else ""
        _LOG.critical("cache violation %s in %s%s", violation_type, affected_component, stops)
        return await self._runner.ensure()

    async def recover(self) -> EmergencyOutcome | None:
        """Run the whole procedure if an emergency is in force, else return None; call it at the bot's start.

        An earlier process may have been killed during any step, so all steps run again. A later call retries failed
        steps.
        """
        if self._latch.look() is not Phase.LATCHED:
            return None
        return await self._runner.ensure(retry=True)

    async def watch(self, interval_s: float = 1.0) -> None:
        """Run forever as a task of the bot.

        It joins an emergency that another process latched, retries failed steps, and monitors after a resume: in the
        phase MONITORING the validation runs at each interval, and a finding starts a new emergency.

        Parameters
        ----------
        interval_s
            Interval between checks, s.
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
        """Disable every registered cache of that name, then the bot's own; returns the number of registered ones."""
        try:
            return self.monitor.disable_component(component, "cache violation")
        finally:
            await self._ask(self.engine.disable_cache, component)
            self._counts = self.monitor.accesses_prohibited

    async def enable_fresh_api_mode(self) -> None:
        """Make the bot request data from the exchange at each use."""
        await self._ask(self.engine.enable_fresh_api_mode)

    async def validate_no_cached_trading_data(self) -> SafetyCheck:
        """Check the monitor's caches and the engine for prohibited data that is still cached."""
        kept = [str(name) for name in await self._ask(self.engine.cached_trading_data)]
        emergency = self._latch.emergency
        components = set() if emergency is None else emergency.components
        enabled = {name: self.monitor.enabled_caches(name) for name in sorted(components)}
        reads = self._reads_since()
        return SafetyCheck.of(
            [
                *(f"the bot still caches {name}" for name in kept),
                *(f"{name} still serves cached values ({count} enabled)" for name, count in enabled.items() if count),
                *(
                    f"{name} was read for {data_type}: {count} since the last check"
                    for (name, data_type), count in reads
                ),
                *(
                    f"{name} caches {kind} outside of the policy"
                    for name, kind in self.monitor.prohibited_unmonitored()
                ),
            ]
        )

    # --- helpers

    def _reads_since(self) -> list[tuple[tuple[str, str], int]]:
        """Return prohibited accesses since the caches were disabled or last checked, by (cache, data type)."""
        before, self._counts = self._counts, self.monitor.accesses_prohibited
        if before is None:
            return []
        found = ((pair, count - before.get(pair, 0)) for pair, count in sorted(self._counts.items()))
        return [(pair, more) for pair, more in found if more > 0]

    async def _ask(self, method: Callable[..., Any], *arguments: Any) -> Any:
        return await bounded(functools.partial(method, *arguments), self._timeout_s)

    def _call(self, step: StepName, component: str) -> Callable[[], Any]:
        """Return the function that runs a step."""
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
