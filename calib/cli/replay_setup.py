"""Shared code of single and multiple replays: from the command line to settings, and from outcomes to files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from calib.cli import success
from calib.cli.output import Session
from calib.cli.report_options import ReportFormat, open_report
from calib.config import Config
from calib.files import settings_tail, write_atomic

if TYPE_CHECKING:
    from calib.limits import LimitResult
    from calib.replay.settings import ReplaySettings
    from calib.reports.files import RenderedReport


AS_SWITCHED_ON: Final = {"md_cache.enabled": True, "md_cache.mode": "on"}
"""The values that a replay uses for these settings."""


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """The options of the command line that are not part of the configuration."""

    start: float | None
    end: float | None
    fault: tuple[str, ...]
    expand: bool
    features_out: Path | None
    gate: bool
    strict: bool
    jobs: int
    form: ReportFormat = ReportFormat.MD
    open: bool = False
    prom: Path | None = None
    cost: str = "error"


def settings_of(config: Config, asked: Asked) -> ReplaySettings:
    """Return the settings of a replay.

    Raises
    ------
    calib.errors.ConfigError
        If the values of the configuration contradict each other.
    calib.errors.UsageError
        For an invalid latency or fault.
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
    """Print a note if a configuration switches off the cache, which a replay always uses."""
    for key, on in AS_SWITCHED_ON.items():
        if config.origin(key) != "default" and config[key] != on:
            session.note(f"{key} {str(config[key]).lower()} has no effect: a replay always uses the cache")


def options_of(config: Config, asked: Asked) -> dict[str, Any]:
    """Return the other arguments of `calib.replay.run.run_replay`."""
    return {
        "start": asked.start,
        "end": asked.end,
        "symbols": tuple(config["symbols"]),
        "max_reject_ratio": config["max_reject_ratio"],
        "choose_latency": config["replay.latency"] is None,
    }


def gate_results(config: Config, outcome: Mapping[str, Any]) -> list[LimitResult]:
    """Return the results of the limits of the configuration."""
    from calib.replay.limits import check_overall, limits_from

    return check_overall(outcome["overall"], limits_from(config.section("replay")))


def finish_gate(
    session: Session,
    asked: Asked,
    data: Any,
    lines: list[str],
    gate: list[LimitResult],
    outcomes: Sequence[Mapping[str, Any]] = (),
) -> int:
    """Print the result, and write the text file of ``--prom``; the exit code depends on the gate.

    Parameters
    ----------
    outcomes
        The replays of the gate; it is missed if too few reads could be compared with the actual book.
    """
    failed = [one.limit.name for one in gate if one.passed is False]
    unknown = [one.limit.name for one in gate if one.passed is None]
    if unknown:
        session.note(f"the gate cannot be evaluated for {', '.join(unknown)}: no data")
    if asked.gate and (few := _too_few(outcomes, asked.strict)):
        return session.finish(data, lines, exit_code=1, verdict=few)
    if failed or (unknown and asked.strict):
        verdict = f"the gate is missed: {', '.join(dict.fromkeys(failed or unknown))}"
        return session.finish(data, lines, exit_code=1, verdict=verdict)
    write_result(session, asked, outcomes)
    return session.finish(data, lines)


def _too_few(outcomes: Sequence[Mapping[str, Any]], strict: bool) -> str:
    """Return why too few reads were checked for a verdict; empty if there are enough."""
    from calib.reports.replay import judged_of

    for outcome in outcomes:
        overall = outcome["overall"]
        judged, expected = overall["staleness"]["judged"], overall["reads"] + overall["reads_in_holes"]
        if not judged or (strict and judged * 2 < expected):
            least = "half of the reads" if judged else "one read"
            return f"the gate is missed: checked {judged_of(overall)} reads; a verdict needs at least {least}"
    return ""


def write_result(session: Session, asked: Asked, outcomes: Sequence[Mapping[str, Any]]) -> None:
    """Write the text file of ``--prom``: the reads of all replays, and the feeds that each of them read."""
    from calib.metrics.text_file import JobResult

    missing = sum(len(days) for days in outcomes[0]["missing_days"].values())
    reads = sum(outcome["overall"]["reads"] for outcome in outcomes)
    result = JobResult.of_inputs(outcomes[0]["inputs"], missing, rows=reads)
    success.write_prom(asked.prom, session, result)


def stamp_of(outcome: Mapping[str, Any]) -> str:
    """Return the range of the outcome as part of a file name."""
    span = outcome["range"]
    return "_".join(
        span[end].partition(".")[0].rstrip("Z").replace("-", "").replace(":", "").replace("T", "_")
        for end in ("from", "to")
    )


def tail_of(configs: Sequence[Config], asked: Asked, **more: Any) -> str:
    """Return the part of a report's name that depends on the settings; empty for the defaults.

    Parameters
    ----------
    more
        Further options, such as the axes of a sweep.
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


def write_reports(session: Session, asked: Asked, name: str, report: RenderedReport, data: bytes) -> list[Path]:
    """Write the chosen forms of a report and its JSON, and return their paths. With ``--open``, open the page.

    The paths contain no pictures of the Markdown, except one with the name of the report itself.
    """
    from calib.reports.files import write_report_files

    directory = Path(session.config["out"]) / "reports"
    paths = write_report_files(directory, name, report, asked.form.value)
    if asked.open:
        open_report(session, paths)
    write_atomic(directory / f"{name}.json", data)
    texts = [path for path in paths if path.suffix != ".svg"]
    own = [path for path in paths if path == directory / f"{name}.svg"]
    return [*texts, directory / f"{name}.json", *own]
