"""``calib policy assess``: the effect of stale market data, from the feeds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from calib.cli import options
from calib.cli.command import command
from calib.cli.output import Session
from calib.cli.times import parse_range
from calib.dataset.settings import SETTINGS as DATASET
from calib.feeds.settings import SETTINGS as FEEDS
from calib.files import locked

_SETTINGS = (
    *(FEEDS[key] for key in ("feeds", "out", "symbols", "max_reject_ratio")),
    *(DATASET[f"aggregate.{key}"] for key in ("tick_sample_rate", "maker_fee_bps", "taker_fee_bps")),
)
_NAMED = ("symbols", "aggregate.tick_sample_rate", "aggregate.maker_fee_bps", "aggregate.taker_fee_bps")
"""Settings on which the figures depend: values other than the defaults change the name of the report."""


@command(
    "policy assess",
    example="calib policy assess --feeds artifacts/edge/feeds --from 2025-01-01 --to 2025-01-02",
    settings=_SETTINGS,
    directory=True,
)
def assess(
    session: Session,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 also if no fill could be classified.")] = False,
) -> int:
    """Find the reads and fills that used a stale book, and compare their cost with the others.

    Writes reports/policy_assessment_RANGE.md below --out. Each fill is classified by its own record, or else by its
    quote, or else by the tick that quoted it; with sampled ticks the report counts the fills that could not be joined.
    """
    asked = parse_range(start=start, end=end, since=since, day=day, now=time.time())

    from calib.evaluation.policy_feeds import AssessmentFeeds
    from calib.feeds.contracts import contracts_of
    from calib.reports.policy import assessment_data, digest, write_assessment

    config, out = session.config, Path(session.config["out"])
    feeds = AssessmentFeeds(
        Path(config["feeds"]),
        asked.start,
        asked.end,
        tuple(config["symbols"]),
        out,
        config["aggregate.tick_sample_rate"],
        config["max_reject_ratio"],
    )
    changed = {key: config[key] for key in _NAMED if config[key] != (DATASET | FEEDS)[key].default}
    with locked(out):
        found, stats = feeds.assess(
            maker_fee_bps=config["aggregate.maker_fee_bps"],
            taker_fee_bps=config["aggregate.taker_fee_bps"],
            contracts=contracts_of(config["contracts"]),
        )
        span = feeds.span()
        path = write_assessment(found, out, *span, changed)
    inputs = [
        {"file": s.file, "bytes": s.bytes, "sha256": s.sha256, "lines": s.lines, "used": s.used, "rejected": s.rejected}
        for s in stats
    ]
    data = assessment_data(found, *span, inputs) | {"report": str(path)}
    lines = [str(path), *(f"  {line}" for line in digest(found))]
    if any(found.sources.values()):
        return session.finish(data, lines)
    verdict = "no fill could be classified: log used_stale with fills, or log every tick"
    if strict:
        return session.finish(data, lines, exit_code=1, verdict=verdict)
    session.note(verdict)
    return session.finish(data, lines)
