"""What one replay and many have in common: from the command line to their settings, and from outcomes to files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from calib.cli import success
from calib.cli.output import Session
from calib.config import Config
from calib.files import settings_tail, write_atomic

if TYPE_CHECKING:
    from calib.limits import LimitResult
    from calib.replay.settings import ReplaySettings


AS_SWITCHED_ON: Final = {"md_cache.enabled": True, "md_cache.mode": "on"}
"""What a replay takes these settings for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks beside the configuration."""

    start: float | None
    end: float | None
    fault: tuple[str, ...]
    expand: bool
    features_out: Path | None
    gate: bool
    strict: bool
    jobs: int
    prom: Path | None = None
    cost: str = "error"


def settings_of(config: Config, asked: Asked) -> ReplaySettings:
    """How a replay is set up.

    Raises
    ------
    calib.errors.ConfigError
        Where the values of the configuration contradict each other.
    calib.errors.UsageError
        For a latency or fault that is none.
    """
    from calib.exchange_sim.faults import Fault
    from calib.market import MDCacheConfig
    from calib.replay.latencies import LatencyChoice
    from calib.replay.settings import ReplaySettings

    section = config.section("replay")
    latency, every_ms = section["latency"], section["read_every_ms"]
    named_rule = config.origin("md_cache.sequence_rule") != "default"
    grid_us = round(section["features_every_s"] * 1e6) if asked.features_out is not None else None
    return ReplaySettings(
        md_cache=MDCacheConfig.from_config(config),
        fill=section["fill"],
        rule=config["md_cache.sequence_rule"] if named_rule else None,
        latency=LatencyChoice() if latency is None else LatencyChoice.parse(latency),
        faults=tuple(Fault.parse(text) for text in asked.fault),
        read_every_us=None if every_ms is None else round(every_ms * 1000),
        use_case=section["use_case"],
        depth=section["depth"],
        expand=asked.expand,
        features_every_us=grid_us,
    )


def note_unused(session: Session, config: Config) -> None:
    """Say it where a configuration switches off what a replay is there to show."""
    for key, on in AS_SWITCHED_ON.items():
        if config.origin(key) != "default" and config[key] != on:
            session.note(f"{key} {str(config[key]).lower()} has no effect: a replay shows the cache switched on")


def options_of(config: Config, asked: Asked) -> dict[str, Any]:
    """The other arguments of `calib.replay.run.run_replay`."""
    return {
        "start": asked.start,
        "end": asked.end,
        "symbols": tuple(config["symbols"]),
        "max_reject_ratio": config["max_reject_ratio"],
        "choose_latency": config["replay.latency"] is None,
    }


def judged_by(config: Config, outcome: Mapping[str, Any]) -> list[LimitResult]:
    """The configuration's limits, judged."""
    from calib.replay.limits import check_overall, limits_from

    return check_overall(outcome["overall"], limits_from(config.section("replay")))


def finish_judged(
    session: Session,
    asked: Asked,
    data: Any,
    lines: list[str],
    judged: list[LimitResult],
    outcomes: Sequence[Mapping[str, Any]] = (),
) -> int:
    """Print the result, and write the text file of ``--prom``; the exit code follows the gate.

    Parameters
    ----------
    outcomes
        The replays that the gate judges: with too few reads that could be compared with the truth it is missed.
    """
    failed = [one.limit.name for one in judged if one.passed is False]
    unknown = [one.limit.name for one in judged if one.passed is None]
    if unknown:
        session.note(f"the gate cannot judge {', '.join(unknown)}: there is nothing to measure")
    if asked.gate and (few := _too_few(outcomes, asked.strict)):
        return session.finish(data, lines, exit_code=1, verdict=few)
    if failed or (unknown and asked.strict):
        verdict = f"the gate is missed: {', '.join(dict.fromkeys(failed or unknown))}"
        return session.finish(data, lines, exit_code=1, verdict=verdict)
    write_result(session, asked, outcomes)
    return session.finish(data, lines)


def _too_few(outcomes: Sequence[Mapping[str, Any]], strict: bool) -> str:
    """Why the reads that could be judged carry no verdict; empty where they do."""
    from calib.reports.replay import judged_of

    for outcome in outcomes:
        overall = outcome["overall"]
        judged, due = overall["staleness"]["judged"], overall["reads"] + overall["reads_in_holes"]
        if not judged or (strict and judged * 2 < due):
            least = "half of the reads" if judged else "one read"
            return f"the gate is missed: judged {judged_of(overall)} reads, and a verdict needs at least {least}"
    return ""


def write_result(session: Session, asked: Asked, outcomes: Sequence[Mapping[str, Any]]) -> None:
    """The text file of ``--prom``: reads of all replays, and the feeds that each of them read."""
    from calib.metrics.text_file import JobResult

    missing = sum(len(days) for days in outcomes[0]["missing_days"].values())
    reads = sum(outcome["overall"]["reads"] for outcome in outcomes)
    result = JobResult.of_inputs(outcomes[0]["inputs"], missing, rows=reads)
    success.write_prom(asked.prom, session, result)


def stamp_of(outcome: Mapping[str, Any]) -> str:
    """The outcome's range as part of a file name."""
    span = outcome["range"]
    return "_".join(
        span[end].partition(".")[0].rstrip("Z").replace("-", "").replace(":", "").replace("T", "_")
        for end in ("from", "to")
    )


def tail_of(configs: Sequence[Config], asked: Asked, **more: Any) -> str:
    """What tells the name of a report from one of the same range with other settings; nothing by default.

    Parameters
    ----------
    more
        What else was asked, such as the axes of a sweep.
    """
    changed = [config.changed("replay", "md_cache", "symbols", "contracts") for config in configs]
    for one in changed:
        for key in AS_SWITCHED_ON:
            one.pop(key, None)
    found: dict[str, Any] = {"configs": changed} if any(changed) else {}
    if asked.fault:
        found["faults"] = list(asked.fault)
    if asked.expand:
        found["expand_reads"] = True
    return settings_tail(found | more)


def write_reports(out: Path, name: str, contents: Mapping[str, bytes]) -> list[Path]:
    """Write the forms of a report, by suffix; their paths."""
    paths = [out / "reports" / f"{name}{suffix}" for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        write_atomic(path, content)
    return paths
