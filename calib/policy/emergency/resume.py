"""Resuming after an emergency by an operator: checked, audited, and followed by residual monitoring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from calib.policy.emergency.state import Emergency, EmergencyState, Resume
from calib.policy.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Collection

    from calib.policy.emergency.store import EmergencyStore

MIN_PAPER_TRADING_S: Final[float] = SETTINGS["policy.min_paper_trading_s"].default
RESIDUAL_MONITORING_S: Final[float] = SETTINGS["policy.residual_monitoring_s"].default


@dataclass(frozen=True, slots=True)
class ResumeDecision:
    """The result of an operator's request to resume.

    Parameters
    ----------
    emergency
        The emergency that was in force, or None.
    obstacles
        Why it stays in force, one sentence each.
    resumed
        The record of the resume; None if it was refused.
    """

    emergency: Emergency | None
    obstacles: tuple[str, ...]
    resumed: Resume | None


def obstacles(
    emergency: Emergency,
    paper_traded_until: float,
    now: float,
    *,
    min_paper_trading_s: float = MIN_PAPER_TRADING_S,
    retired: Collection[str] = (),
) -> list[str]:
    """Return why trading may not be resumed, one sentence each; empty if it may.

    Parameters
    ----------
    emergency
        The emergency in force.
    paper_traded_until
        End of the paper trading that the operator confirms, Unix seconds.
    now
        Current time, Unix seconds.
    min_paper_trading_s
        Minimum duration of paper trading after the last validation, s.
    retired
        Processes that will not run again: their unfinished procedures are ignored.
    """
    found = []
    owners = sorted(emergency.owners.difference(retired))
    if not any(owner in emergency.procedures for owner in owners):
        found.append("no process has run the emergency procedure; start the bot, which runs it before trading")
    checked_ts = emergency.ts
    for owner in owners:
        procedure = emergency.procedure(owner)
        found += [f"{owner}: {one}" for one in procedure.obstacles(emergency.components)]
        if procedure.safety is not None:
            checked_ts = max(checked_ts, procedure.safety_ts)
            if emergency.unseen(owner):
                found.append(f"{owner}: a violation occurred after the last validation; it must validate again")
    if paper_traded_until > now:
        found.append("the paper trading has not ended yet")
    elif paper_traded_until < math.floor(checked_ts):  # operators give whole seconds
        found.append("the paper trading ended before the last validation, so it does not test the fix")
    elif min_paper_trading_s and paper_traded_until - checked_ts < min_paper_trading_s:
        traded_s = max(0.0, paper_traded_until - checked_ts)
        least = f"at least {min_paper_trading_s:.0f} s (policy.min_paper_trading_s)"
        found.append(f"{traded_s:.0f} s of paper trading since the last validation; {least} are required")
    return list(dict.fromkeys(found))


def resume(
    store: EmergencyStore,
    *,
    reason: str,
    by: str,
    paper_traded_until: float,
    now: float,
    min_paper_trading_s: float = MIN_PAPER_TRADING_S,
    residual_monitoring_s: float = RESIDUAL_MONITORING_S,
    retired: Collection[str] = (),
) -> ResumeDecision:
    """Clear the latch if every check passes. Nothing else clears it.

    The running bot loads the change at its next check of the state file, and monitors for ``residual_monitoring_s``.

    Raises
    ------
    calib.errors.BadState, calib.errors.LockHeld, calib.errors.UnwritableOutput
        See `EmergencyStore.update`; the latch then stays set.
    """
    decision = ResumeDecision(None, (), None)

    def decide(state: EmergencyState) -> EmergencyState:
        nonlocal decision
        held = state.latched
        if held is None:
            return state
        against = obstacles(held, paper_traded_until, now, min_paper_trading_s=min_paper_trading_s, retired=retired)
        if against:
            decision = ResumeDecision(held, tuple(against), None)
            store.append({"event": "resume_refused", "ts": now, "id": held.id, "by": by, "reason": reason})
            return state
        done = Resume(held.id, now, reason, by, paper_traded_until, now + residual_monitoring_s)
        decision = ResumeDecision(held, (), done)
        # The audit first: if the process is killed between the two writes, the state is still latched.
        store.append(
            {
                "event": "resumed",
                "ts": now,
                "id": held.id,
                "by": by,
                "reason": reason,
                "paper_traded_until": paper_traded_until,
                "monitored_until": done.monitored_until,
            }
        )
        return state.with_resume(done)

    if store.load().latched is not None:
        store.update(decide)
    return decision
