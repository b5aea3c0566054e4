"""The emergency's facts and how they change: pure, without clock or file."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import Final

from calib.policy.safety import SafetyCheck

_VIOLATIONS: Final = 100
"""Violations kept in the state, the first and the latest; the audit has them all."""
_RESUMED: Final = 100


class Phase(enum.StrEnum):
    """Where a bot stands."""

    CLEAR = "CLEAR"
    """Nothing happened, or residual monitoring is over."""
    LATCHED = "LATCHED"
    """An emergency is in force: no trading."""
    MONITORING = "MONITORING"
    """Resumed by an operator; trading, and watched for what remains."""


class StepName(enum.StrEnum):
    """The steps of the procedure, in their order."""

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
        What was violated.
    component
        Where it was seen.
    ts
        When, Unix seconds.
    owner
        Name of the process that saw it.
    id
        Unique: two at one time are two, and what came after what does not depend on a clock.
    """

    type: str
    component: str
    ts: float
    owner: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """How one step went.

    Parameters
    ----------
    step
        Its name.
    component
        The component that it was for; empty for steps that are for all.
    ok
        Whether it did what it should within its time.
    ts
        When it ended, Unix seconds.
    error
        Why not; empty where it was ok.
    """

    step: str
    component: str
    ok: bool
    ts: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Procedure:
    """What one process has done about an emergency.

    Parameters
    ----------
    steps
        The steps that ended, the latest of each step and component.
    safety
        The latest check; None before the first.
    safety_ts
        When that was, Unix seconds.
    safety_seen
        Ids of the violations that were known when it began: any other came later.
    """

    steps: tuple[StepOutcome, ...] = ()
    safety: SafetyCheck | None = None
    safety_ts: float = 0.0
    safety_seen: tuple[str, ...] = ()

    def with_step(self, result: StepOutcome) -> Procedure:
        """The same with a step that ended; it replaces what that step came to before."""
        same = (result.step, result.component)
        kept = tuple(one for one in self.steps if (one.step, one.component) != same)
        return replace(self, steps=(*kept, result))

    def due(self, components: set[str], *, retry: bool = False, unseen: bool = False) -> list[tuple[StepName, str]]:
        """The steps that are left to do, in their order, each with its component.

        Parameters
        ----------
        components
            Those that violations were seen in.
        retry
            Whether steps that failed are due again.
        unseen
            Whether a violation came after the last validation; with ``retry`` it is due again then.

        >>> [step.value for step, _ in Procedure().due({"wallet"})][:2]
        ['stop_trading', 'disable_cache_component']
        """
        done = {(one.step, one.component) for one in self.steps if one.ok or not retry}
        wanted = [(StepName.STOP, ""), *((StepName.DISABLE, name) for name in sorted(components)), (StepName.FRESH, "")]
        left = [(step, name) for step, name in wanted if (step.value, name) not in done]
        # Whatever was done after the last validation has to be validated too.
        validated = bool(self.steps) and self.steps[-1].step == StepName.VALIDATE
        if validated and retry:
            validated = self.steps[-1].ok and not unseen
        return left if validated and not left else [*left, (StepName.VALIDATE, "")]

    def obstacles(self, components: set[str]) -> list[str]:
        """Why an operator may not resume yet, one sentence each; empty where every step is done and has passed."""
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
        Unique.
    ts
        When it was latched, Unix seconds.
    violations
        The first and the latest.
    procedures
        What each process that shares the state has done, by the process's own name (``owner``).
    """

    id: str
    ts: float
    violations: tuple[CacheViolation, ...] = ()
    procedures: dict[str, Procedure] = field(default_factory=dict)

    @property
    def components(self) -> set[str]:
        """Every component that a violation was seen in."""
        return {one.component for one in self.violations}

    @property
    def owners(self) -> set[str]:
        """Every process that has seen a violation or run the procedure."""
        return {one.owner for one in self.violations if one.owner} | set(self.procedures)

    def procedure(self, owner: str) -> Procedure:
        """What that process has done; an empty one where it has done nothing."""
        return self.procedures.get(owner, Procedure())

    def unseen(self, owner: str) -> bool:
        """Whether that process has seen a violation after its last validation."""
        seen = set(self.procedure(owner).safety_seen)
        return any(one.owner == owner and one.id not in seen for one in self.violations)

    def with_violations(self, more: tuple[CacheViolation, ...]) -> Emergency:
        """The same with further violations; one of each component is kept whatever their number."""
        merged = list(dict.fromkeys((*self.violations, *more)))
        if len(merged) > _VIOLATIONS:
            first_of = {one.component: one for one in reversed(merged)}
            latest = merged[len(merged) - _VIOLATIONS // 2 :]
            merged = list(dict.fromkeys((*list(first_of.values())[:_VIOLATIONS], *latest)))
        return replace(self, violations=tuple(sorted(merged, key=lambda one: one.ts)))

    def with_procedure(self, owner: str, procedure: Procedure) -> Emergency:
        """The same with one process's procedure replaced."""
        return replace(self, procedures={**self.procedures, owner: procedure})


@dataclass(frozen=True, slots=True)
class Resume:
    """An operator's decision to trade again.

    Parameters
    ----------
    emergency_id
        Which emergency it ended.
    ts
        When, Unix seconds.
    reason, by
        Why, and who.
    paper_traded_until
        End of the paper trading that showed the fix, Unix seconds.
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
    """What the state file holds.

    Parameters
    ----------
    latched
        The emergency in force, if any.
    resumed
        The latest operators' decisions, the oldest first.
    """

    latched: Emergency | None = None
    resumed: tuple[Resume, ...] = ()

    def phase(self, now: float) -> Phase:
        """Where the bot stands at that time."""
        if self.latched is not None:
            return Phase.LATCHED
        return Phase.MONITORING if self.resumed and now < self.resumed[-1].monitored_until else Phase.CLEAR

    def was_resumed(self, emergency_id: str) -> bool:
        """Whether an operator has ended that emergency."""
        return any(one.emergency_id == emergency_id for one in self.resumed)

    def with_resume(self, resume: Resume) -> EmergencyState:
        """The same after an operator's decision."""
        return EmergencyState(None, (*self.resumed, resume)[-_RESUMED:])


def merged(
    mine: EmergencyState, disk: EmergencyState, owner: str, unsaved: tuple[CacheViolation, ...], new_id: str
) -> EmergencyState:
    """What is in force, given a process's memory and the file that several processes share.

    A latch in memory is cleared by one thing only: a resume in the file that names its emergency, and no violation
    since. Nothing else that the file says, or lacks, clears it.

    Parameters
    ----------
    mine
        The memory of the process.
    disk
        The file.
    owner
        The process's own name among the procedures.
    unsaved
        Violations of this process that the file has never held.
    new_id
        Id of a new emergency, where violations came after their emergency was resumed.
    """
    held = mine.latched
    if held is None:
        return disk
    if disk.was_resumed(held.id):
        # What this process has done belongs to the emergency that is over: after a new violation it begins again.
        if disk.latched is not None:
            return replace(disk, latched=disk.latched.with_violations(unsaved))
        return replace(disk, latched=Emergency(new_id, unsaved[0].ts, unsaved)) if unsaved else disk
    if disk.latched is None:
        return replace(disk, latched=held)
    # The first to write gives the id: the operator ends one emergency, not one a process.
    joined = disk.latched.with_violations(held.violations)
    own = held.procedures.get(owner)
    return replace(disk, latched=joined if own is None else joined.with_procedure(owner, own))
