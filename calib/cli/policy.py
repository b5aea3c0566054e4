"""``calib policy``: what may be cached, and the operator's commands after a violation."""

from __future__ import annotations

import getpass
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calib import system
from calib.cli import options, policy_check
from calib.cli.command import add, command, group
from calib.cli.output import Session
from calib.cli.policy_assess import assess
from calib.cli.times import parse_time
from calib.errors import UsageError
from calib.feeds.settings import SETTINGS as FEEDS
from calib.policy.settings import SETTINGS
from calib.words import moment_text

if TYPE_CHECKING:
    from calib.policy.emergency.store import EmergencyStore
    from calib.policy.questions import Question

app = group("policy")

_PLACE = (FEEDS["out"], SETTINGS["policy.state"])


@app.callback(invoke_without_command=True)
def policy(context: typer.Context) -> int:
    """Show what may be cached, and resume after a violation."""
    if context.invoked_subcommand is None:
        raise UsageError("calib policy needs a command", hint=", ".join([*_NAMES, "check"]))
    return 0


@command("policy limits", example="calib policy limits")
def limits(session: Session) -> int:
    """Print every data type with its class, its limit and the reason."""
    from calib.policy.data_types import DATA_TYPES, CacheClass

    data = {
        "data_types": [
            {
                "name": row.name,
                "class": row.cache_class.value,
                "limit_s": row.limit_s,
                "permitted": row.permitted,
                "for_trading": row.for_trading,
                "reason": row.reason,
                "examples": list(row.examples),
            }
            for row in DATA_TYPES.values()
        ],
        "unknown": {"limit_s": 0.0, "permitted": False},
    }
    names = max(map(len, DATA_TYPES))
    lines = [
        (row.name, row.cache_class.value, _limit(row.limit_s, permitted=row.permitted), row.reason)
        for row in DATA_TYPES.values()
    ]
    lines.append(("(any other)", CacheClass.UNKNOWN.value, "never", "Unlisted types are refused"))
    return session.finish(data, [f"{name:<{names}}  {kind:<10}  {limit:>8}  {why}" for name, kind, limit, why in lines])


def _limit(limit_s: float | None, *, permitted: bool) -> str:
    if not permitted:
        return "never"
    return "no limit" if limit_s is None else f"{limit_s:g} s"


_ANSWER = "--{0}/--no-{0}"


@command("policy classify", example="calib policy classify holiday_calendar --no-affects-trading --static")
def classify(
    session: Session,
    data_type: Annotated[str, typer.Argument(metavar="NAME", help="The data type to ask about.")],
    affects_trading: Annotated[
        bool | None, typer.Option(_ANSWER.format("affects-trading"), help="Does it affect trading decisions?")
    ] = None,
    changes_with_market: Annotated[
        bool | None,
        typer.Option(_ANSWER.format("changes-with-market"), help="Does it change with trades or with the market?"),
    ] = None,
    real_time: Annotated[
        bool | None, typer.Option(_ANSWER.format("real-time"), help="Is it needed in real time?")
    ] = None,
    staleness_costs: Annotated[
        bool | None, typer.Option(_ANSWER.format("staleness-costs"), help="Could an old value cause losses?")
    ] = None,
    static: Annotated[
        bool | None, typer.Option(_ANSWER.format("static"), help="Is it static: changed rarely, and announced?")
    ] = None,
) -> int:
    """Ask the five questions about a data type; exit 1 if it may not be cached.

    A data type of the table is answered from there. On a terminal the questions without a flag are asked one by one;
    otherwise a question without an answer means no.
    """
    from calib.policy.questions import QUESTIONS, TABLE, may_cache

    answers = {
        "affects_trading": affects_trading,
        "changes_with_market": changes_with_market,
        "real_time": real_time,
        "staleness_costs": staleness_costs,
        "static": static,
    }
    answer = may_cache(data_type, **answers)
    if answer.decided_by != TABLE and session.output == "text" and sys.stdin.isatty():
        for question in QUESTIONS:
            if answers[question.key] is None and answer.decided_by == question.key:
                answers[question.key] = _ask(question)
                answer = may_cache(data_type, **answers)
    data = {
        "data_type": answer.data_type,
        "allowed": answer.allowed,
        "decided_by": answer.decided_by,
        "class": answer.cache_class.value,
        "limit_s": answer.limit_s,
        "reason": answer.reason,
        "answers": answers,
    }
    limit = _limit(answer.limit_s, permitted=answer.allowed)
    may = f"may be cached, {answer.cache_class.value}, {limit}" if answer.allowed else "may not be cached"
    line = f"{data_type}: {may} (decided by: {answer.decided_by})"
    return session.finish(
        data, [line, f"  {answer.reason}"], exit_code=0 if answer.allowed else 1, verdict="" if answer.allowed else line
    )


def _ask(question: Question) -> bool:
    return bool(typer.confirm(question.text, err=True))


@command("policy status", example="calib policy status --state artifacts/edge/policy", settings=_PLACE)
def status(session: Session) -> int:
    """Show whether an emergency is in force, and the obstacles to a resume. Exit 1 if one is in force."""
    from calib.policy.emergency.resume import obstacles

    store, now = _store(session), time.time()
    found = store.load()
    held = found.latched
    against = [] if held is None else obstacles(held, now, now, min_paper_trading_s=0)
    phase = found.phase(now).value
    last = found.resumed[-1] if found.resumed else None
    data = {
        "state_file": str(store.state_path),
        "phase": phase,
        "emergency_id": None if held is None else held.id,
        "latched_ts": None if held is None else held.ts,
        "components": [] if held is None else sorted(held.components),
        "processes": [] if held is None else sorted(held.procedures),
        "obstacles": against,
        "monitored_until": last.monitored_until if last is not None and phase == "MONITORING" else None,
    }
    if held is None:
        until = f" until {moment_text(last.monitored_until)} UTC" if last is not None and phase == "MONITORING" else ""
        return session.finish(data, [f"{phase}{until}: trading is allowed"])
    names = ", ".join(sorted(held.components))
    verdict = f"LATCHED since {moment_text(held.ts)} UTC: {names}"
    lines = [verdict, *(f"  {one}" for one in against), "  clear it with: calib policy resume --reason '...'"]
    return session.finish(data, lines, exit_code=1, verdict=verdict)


@command(
    "policy resume",
    example="calib policy resume --reason 'wallet cache removed in 1.8.2' --paper-traded-until now-5m",
    settings=[*_PLACE, SETTINGS["policy.min_paper_trading_s"], SETTINGS["policy.residual_monitoring_s"]],
)
def resume(
    session: Session,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What was fixed; recorded in the audit.")],
    paper_traded_until: Annotated[
        str,
        typer.Option("--paper-traded-until", metavar="TIME", help="End of the paper trading that tested the fix, UTC."),
    ],
    retired: Annotated[
        list[str] | None,
        typer.Option("--retired", metavar="NAME", help="A process that will not run again; repeat or use commas."),
    ] = None,
) -> int:
    """End an emergency after its checks have passed; nothing else ends one. Exit 1 if they have not.

    The running bot detects it at once and is monitored for the period of residual monitoring.
    """
    if not reason.strip():
        raise UsageError("--reason is empty", hint="Describe the fix; it is recorded in the audit")
    from calib.policy.emergency.resume import resume as clear

    store, now = _store(session), time.time()
    decision = clear(
        store,
        reason=reason.strip(),
        by=_operator(),
        paper_traded_until=parse_time(paper_traded_until, now),
        now=now,
        min_paper_trading_s=session.config["policy.min_paper_trading_s"],
        residual_monitoring_s=session.config["policy.residual_monitoring_s"],
        retired=options.split_commas(retired) or (),
    )
    data = {
        "emergency_id": None if decision.emergency is None else decision.emergency.id,
        "resumed": decision.resumed is not None,
        "obstacles": list(decision.obstacles),
        "monitored_until": None if decision.resumed is None else decision.resumed.monitored_until,
    }
    if decision.emergency is None:
        session.note(f"no emergency is in force in {store.directory}; nothing changed")
        return session.finish(data, ["not latched"])
    if decision.resumed is None:
        verdict = f"the emergency stays in force: {len(decision.obstacles)} checks have not passed"
        return session.finish(data, [f"  {one}" for one in decision.obstacles], exit_code=1, verdict=verdict)
    until = moment_text(decision.resumed.monitored_until)
    return session.finish(data, [f"resumed: emergency {decision.emergency.id}; monitored until {until} UTC"])


def _store(session: Session) -> EmergencyStore:
    from calib.policy.emergency.store import EmergencyStore

    return EmergencyStore(Path(session.config["policy.state"] or Path(session.config["out"]) / "policy"))


def _operator() -> str:
    """Return the user id, which no environment variable can change, and the user name if there is one."""
    uid = system.user_id()
    try:
        return f"{uid} {getpass.getuser()}"
    except (KeyError, OSError, ImportError):  # a user id without a name
        return uid


_NAMES = {"limits": limits, "classify": classify, "status": status, "resume": resume, "assess": assess}
for _name, _body in _NAMES.items():
    add(app, _name, _body)
policy_check.add_to(app)
