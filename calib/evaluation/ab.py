"""Evaluation of an AB experiment from its feeds."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calib.errors import UsageError
from calib.evaluation.ab_feeds import ABFeeds, Survey, assigned_router, choose_files, recorded_router
from calib.experiments.ab_state import SCHEMA, STATE_SHAPE
from calib.experiments.harness import manual_rollback
from calib.experiments.latch import Store
from calib.experiments.recorded import RecordedRun
from calib.experiments.rollback import current, reset_by_hand, roll_back_by_hand
from calib.experiments.routing import Assignment, Router
from calib.experiments.settings import ABSettings
from calib.feeds.contracts import Contracts, in_linear_terms
from calib.words import counted


@dataclass(frozen=True, slots=True)
class ABOptions:
    """The options for converting recorded lines to records of an experiment.

    Parameters
    ----------
    assign
        ``SALT`` or ``SALT/SPLIT``: assign the symbols afterwards; None uses the recorded arms.
    assignment
        ``hash``, ``rank`` or ``switchback``; None uses that of the settings or, for recorded arms, detects it.
    split, whitelist, blacklist
        For ``assign`` without a split: share of the symbols in B; symbols always in B, or always in A.
    maker_fee_bps, taker_fee_bps
        Fee of a fill without ``fee_bps``, bps.
    tick_sample_rate
        Number of ticks that a tick line without ``sample_rate`` represents.
    contracts
        The contract of each symbol whose quantities are in contracts.
    """

    assign: str | None = None
    assignment: str | None = None
    split: float = 0.5
    whitelist: Sequence[str] = ()
    blacklist: Sequence[str] = ()
    maker_fee_bps: float = 0.0
    taker_fee_bps: float = 0.0
    tick_sample_rate: int = 10
    contracts: Contracts = field(default_factory=dict)


def evaluate_ab(
    feeds: Path | str,
    settings: ABSettings | None = None,
    *,
    start: float | None = None,
    end: float | None = None,
    symbols: Sequence[str] = (),
    buckets: Sequence[str] = (),
    options: ABOptions | None = None,
    max_reject_ratio: float = 0.01,
    out: Path | str | None = None,
    note: Callable[[str], None] = lambda _: None,
    progress: Callable[[float, float], None] = lambda _done, _total: None,
) -> dict[str, Any]:
    """Evaluate an experiment from its feeds, as ``calib ab`` does.

    Parameters
    ----------
    feeds
        Directory of the feed files.
    settings
        The settings of the experiment; default `ABSettings`.
    start, end
        The range [start, end), Unix seconds; None where that side is open.
    symbols
        The symbols to evaluate; empty for all.
    buckets
        ``A=FILES`` and ``B=FILES``: use these files for an arm instead of ``feeds``.
    options
        Assignment of arms, fees, sample rate; default `ABOptions`.
    max_reject_ratio
        Tolerated share of bad lines per file.
    out
        Root below which ``rejects/`` is written; None only counts bad lines.
    note
        Receives notes for the user, one sentence per call.
    progress
        Receives the number of lines processed since the last call, and the total number of lines.

    Returns
    -------
    dict
        The report as plain JSON data, ``calib.ab-report/1``; `calib.reports.ab.write_report` writes it as Markdown.

    Raises
    ------
    calib.errors.CalibError
        NoFeeds, NoLines, NoSuchSymbol, NoBuckets, TooManyRejects, UsageError, ...
    """
    chosen = options or ABOptions()
    span = (start, end)
    files = choose_files(Path(feeds), list(buckets), *span)
    data = ABFeeds(files, *span, tuple(symbols), None if out is None else Path(out), max_reject_ratio)
    survey = data.survey()
    base = settings or ABSettings()
    router = _router(base, survey, chosen)
    fixed = dataclasses.replace(base, assignment=str(router.rule), salt=router.salt)
    run = RecordedRun(fixed, router)
    _feed(run, data, chosen, lambda amount: progress(amount, survey.lines))
    if math.isinf(run.last_ts):
        raise UsageError("no usable line in the range", hint="Check the buckets and the records")
    if data.without_bucket:
        note(f"left out: {counted(data.without_bucket, 'line', thousands=True)} without a bucket")
    return _report(run, data, fixed, span, recorded=chosen.assign is None)


def _router(settings: ABSettings, survey: Survey, options: ABOptions) -> Router:
    if options.assign:
        rule = Assignment(options.assignment or settings.assignment)
        section = {
            "split": options.split,
            "whitelist": options.whitelist,
            "blacklist": options.blacklist,
            "block_s": settings.block_s,
        }
        return assigned_router(options.assign, rule, sorted(survey.arms), section)
    rule_or_none = Assignment(options.assignment) if options.assignment else None
    return recorded_router(survey, settings.block_s, rule_or_none)


def _feed(run: RecordedRun, data: ABFeeds, options: ABOptions, advance: Callable[[float], None]) -> None:
    fees = {"maker": options.maker_fee_bps, "taker": options.taker_fee_bps}
    for kind, row in data.records():
        advance(1)
        if options.assign:
            row["bucket"] = None
        elif row["bucket"] is None:
            data.without_bucket += 1
            continue
        if kind == "fills" and options.contracts:
            row["qty"] = in_linear_terms(row, options.contracts)["qty"]
        _record(run, kind, row, fees, options.tick_sample_rate)


def _record(run: RecordedRun, kind: str, row: dict[str, Any], fees: Mapping[str, float], sample_rate: int) -> None:
    if kind == "fills":
        if row["fee_bps"] is None:
            row["fee_bps"] = fees[row["liquidity"]]
        run.record_fill(**row)
    else:
        if row["sample_rate"] is None:
            row["sample_rate"] = sample_rate
        run.record_tick(**row)


def _report(
    run: RecordedRun, data: ABFeeds, settings: ABSettings, span: tuple[float | None, float | None], *, recorded: bool
) -> dict[str, Any]:
    report: dict[str, Any] = run.finish()
    report["assignment"]["recorded"] = recorded
    begin = span[0] if span[0] is not None else math.floor(run.first_ts)
    end = span[1] if span[1] is not None else math.floor(run.last_ts) + 1
    inputs = [
        {"file": s.file, "bytes": s.bytes, "sha256": s.sha256, "lines": s.lines, "used": s.used, "rejected": s.rejected}
        for s in data.stats
    ]
    left_out = {"without_bucket": data.without_bucket} if data.without_bucket else {}
    return report | {
        "range": {"from": begin, "to": end},
        "settings": settings.as_data(),
        "inputs": inputs,
        "counts": report["counts"] | left_out,
    }


def ab_status(directory: Path | str) -> dict[str, Any]:
    """Return the status of a running experiment from its files.

    Raises
    ------
    BadState
        If no experiment has run there, or its state is damaged.
    """
    store = Store(Path(directory), SCHEMA, STATE_SHAPE)
    latch = current(store)
    found = store.load() or {}
    progress = found.get("progress") or {}
    holds = progress.get("threshold", progress.get("seed")) or {}
    return {
        "state_file": str(store.state_path),
        "state": "ROLLED_BACK" if latch.record else "RUNNING",
        "rollback": latch.record,
        "evaluated_to": progress.get("grid"),
        "symbols": (found.get("router") or {}).get("symbols", []),
        "held_s": {gate: hold["held_s"] for gate, hold in holds.items()},
        "settings": found.get("fingerprint"),
        "resets": latch.resets,
    }


def roll_back_ab(directory: Path | str, reason: str) -> dict[str, Any]:
    """Roll back a running experiment at once, also while other processes use it; returns the rollback in force.

    Raises
    ------
    BadState
        If no experiment has run there.
    UnwritableOutput
        If neither the flag file nor the audit could be written.
    """
    return roll_back_by_hand(Store(Path(directory), SCHEMA, STATE_SHAPE), manual_rollback(reason, time.time()))


def reset_ab(directory: Path | str, reason: str) -> dict[str, Any] | None:
    """Clear a rollback, also while other processes use the experiment, and start new tests.

    Returns the cleared rollback, or None if there was none.

    Raises
    ------
    BadState
        If no experiment has run there.
    UnwritableOutput
        If the audit cannot be written: the rollback then stays in force.
    """
    store = Store(Path(directory), SCHEMA, STATE_SHAPE)
    cleared = reset_by_hand(store, reason, time.time(), lambda _latch: {"progress": None})
    return cleared[0] if cleared else None
