"""The state of an emergency and its transitions: pure, without clock or file."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import Final

from calib.policy.safety import SafetyCheck

_VIOLATIONS: Final = 100
"""Number of violations kept in the state, the first and the latest; the audit has all of them."""
_RESUMED: Final = 100


class Phase(enum.StrEnum):
    """The phase of a bot."""

    CLEAR = "CLEAR"
    """No emergency, and no residual monitoring."""
    LATCHED = "LATCHED"
    """An emergency is in force: no trading."""
    MONITORING = "MONITORING"
    """Resumed by an operator: trading, with residual monitoring."""


class StepName(enum.StrEnum):
    """The steps of the procedure, in order."""

    STOP = "stop_trading"
    DISABLE = "disable_cache_component"
    FRESH = "enable_fresh_api_mode"
    VALIDATE = "validate_no_cached_trading_data"


@dataclass(frozen=True, slots=True)
class CacheViolation:
    """One violation.

    Parameters
    ----------
    type
        Type of the violation.
    component
        The component in which it was detected.
    ts
        Time, Unix seconds.
    owner
        Name of the process that detected it.
    id
        Unique id: it distinguishes violations with equal times, and their order does not depend on a clock.
    """

    type: str
    component: str
    ts: float
    owner: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """The outcome of one step.

    Parameters
    ----------
    step
        Name of the step.
    component
        Its component; empty for steps for all components.
    ok
        Whether it succeeded within its timeout.
    ts
        When it ended, Unix seconds.
    error
        The error; empty if it succeeded.
    """

    step: str
    component: str
    ok: bool
    ts: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Procedure:
    """The steps that one process has run for an emergency.

    Parameters
    ----------
    steps
        The latest outcome of each step and component, in the order of their ends.
    safety
        The latest safety check; None before the first.
    safety_ts
        Time of the check, Unix seconds.
    safety_seen
        Ids of the violations known at the start of the check; all others are later.
    """

    steps: tuple[StepOutcome, ...] = ()
    safety: SafetyCheck | None = None
    safety_ts: float = 0.0
    safety_seen: tuple[str, ...] = ()

    def with_step(self, result: StepOutcome) -> Procedure:
        """Return a copy with the outcome of a step, which replaces its earlier outcome."""
        same = (result.step, result.component)
        kept = tuple(one for one in self.steps if (one.step, one.component) != same)
        return replace(self, steps=(*kept, result))

    def due(self, components: set[str], *, retry: bool = False, unseen: bool = False) -> list[tuple[StepName, str]]:
        """Return the remaining steps in order, each with its component.

        Parameters
        ----------
        components
            The components with violations.
        retry
            Whether failed steps are due again.
        unseen
            Whether a violation occurred after the last validation; with ``retry`` the validation is then due again.

        >>> [step.value for step, _ in Procedure().due({"wallet"})][:2]
        ['stop_trading', 'disable_cache_component']
        """
        done = {(one.step, one.component) for one in self.steps if one.ok or not retry}
        wanted = [(StepName.STOP, ""), *((StepName.DISABLE, name) for name in sorted(components)), (StepName.FRESH, "")]
        left = [(step, name) for step, name in wanted if (step.value, name) not in done]
        # Steps after the last validation must be validated too.
        validated = bool(self.steps) and self.steps[-1].step == StepName.VALIDATE
        if validated and retry:
            validated = self.steps[-1].ok and not unseen
        return left if validated and not left else [*left, (StepName.VALIDATE, "")]

    def obstacles(self, components: set[str]) -> list[str]:
        """Return why an operator may not resume yet, one sentence each; empty if every step has succeeded."""
        failed = {(one.step, one.component): one.error for one in self.steps if not one.ok}
        found = []
        for step, component in self.due(components, retry=True):
            what = f"{step.value}({component})" if component else step.value
            error = failed.get((step.value, component))
            found.append(f"{what} has not ended" if error is None else f"{what} failed: {error}")
        return found


@dataclass(frozen=True, slots=True)
class Emergency:
    """One emergency, from its first violation until an operator resumes.

    Parameters
    ----------
    id
        Unique id.
    ts
        When it was latched, Unix seconds.
    violations
        The first and the latest violations.
    procedures
        The procedure of each process that shares the state, by the name of the process (``owner``).
    """

    id: str
    ts: float
    violations: tuple[CacheViolation, ...] = ()
    procedures: dict[str, Procedure] = field(default_factory=dict)

    @property
    def components(self) -> set[str]:
        """Every component with a violation."""
        return {one.component for one in self.violations}

    @property
    def owners(self) -> set[str]:
        """Every process that has detected a violation or run the procedure."""
        return {one.owner for one in self.violations if one.owner} | set(self.procedures)

    def procedure(self, owner: str) -> Procedure:
        """Return the procedure of that process; an empty one if it has run no step."""
        return self.procedures.get(owner, Procedure())

    def unseen(self, owner: str) -> bool:
        """Return whether that process has detected a violation after its last validation."""
        seen = set(self.procedure(owner).safety_seen)
        return any(one.owner == owner and one.id not in seen for one in self.violations)

    def with_violations(self, more: tuple[CacheViolation, ...]) -> Emergency:
        """Return a copy with further violations; at least one per component is kept."""
        merged = list(dict.fromkeys((*self.violations, *more)))
        if len(merged) > _VIOLATIONS:
            first_of = {one.component: one for one in reversed(merged)}
            latest = merged[len(merged) - _VIOLATIONS // 2 :]
            merged = list(dict.fromkeys((*list(first_of.values())[:_VIOLATIONS], *latest)))
        return replace(self, violations=tuple(sorted(merged, key=lambda one: one.ts)))

    def with_procedure(self, owner: str, procedure: Procedure) -> Emergency:
        """Return a copy with one process's procedure replaced."""
        return replace(self, procedures={**self.procedures, owner: procedure})


@dataclass(frozen=True, slots=True)
class Resume:
    """An operator's decision to resume trading.

    Parameters
    ----------
    emergency_id
        Id of the emergency that it ended.
    ts
        Time, Unix seconds.
    reason, by
        The reason, and the operator.
    paper_traded_until
        End of the paper trading that tested the fix, Unix seconds.
    monitored_until
        End of the residual monitoring, Unix seconds.
    """

    emergency_id: str
    ts: float
    reason: str
    by: str
    paper_traded_until: float
    monitored_until: float


@dataclass(frozen=True, slots=True)
class EmergencyState:
    """The content of the state file.

    Parameters
    ----------
    latched
        The emergency in force, if any.
    resumed
        The latest resumes, oldest first.
    """

    latched: Emergency | None = None
    resumed: tuple[Resume, ...] = ()

    def phase(self, now: float) -> Phase:
        """Return the bot's phase at that time."""
        if self.latched is not None:
            return Phase.LATCHED
        return Phase.MONITORING if self.resumed and now < self.resumed[-1].monitored_until else Phase.CLEAR

    def was_resumed(self, emergency_id: str) -> bool:
        """Return whether an operator has ended that emergency."""
        return any(one.emergency_id == emergency_id for one in self.resumed)

    def with_resume(self, resume: Resume) -> EmergencyState:
        """Return the state after a resume."""
        return EmergencyState(None, (*self.resumed, resume)[-_RESUMED:])


def merged(
    mine: EmergencyState, disk: EmergencyState, owner: str, unsaved: tuple[CacheViolation, ...], new_id: str
) -> EmergencyState:
    """Merge a process's state in memory with the state file that several processes share.

    Only a resume of the same emergency in the file, without violations since, clears a latch in memory. No other
    content of the file, and no missing content, clears it.

    Parameters
    ----------
    mine
        The state in memory.
    disk
        The state of the file.
    owner
        Name of this process.
    unsaved
        Violations of this process that were never written to the file.
    new_id
        Id of a new emergency, for violations after their emergency was resumed.
    """
    held = mine.latched
    if held is None:
        return disk
    if disk.was_resumed(held.id):
        # This process's steps belong to the ended emergency: a new violation starts the procedure again.
        if disk.latched is not None:
            return replace(disk, latched=disk.latched.with_violations(unsaved))
        return replace(disk, latched=Emergency(new_id, unsaved[0].ts, unsaved)) if unsaved else disk
    if disk.latched is None:
        return replace(disk, latched=held)
    # The first writer's id is used, so that the operator ends one emergency and not one per process.
    joined = disk.latched.with_violations(held.violations)
    own = held.procedures.get(owner)
    return replace(disk, latched=joined if own is None else joined.with_procedure(owner, own))
