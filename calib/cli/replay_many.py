"""``calib replay --compare`` and ``--sweep``: many configurations over the same recording."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calib.cli.output import Session
from calib.cli.replay_setup import (
    AS_SWITCHED_ON,
    Asked,
    finish_gate,
    gate_results,
    note_unused,
    options_of,
    settings_of,
    stamp_of,
    tail_of,
    write_reports,
    write_result,
)
from calib.config import Config, find_file
from calib.errors import ChildLost, ConfigError, UsageError
from calib.words import counted

if TYPE_CHECKING:
    from calib.engines.dask_cluster import DaskCluster
    from calib.replay.sweep import SkippedPoint


def compare(session: Session, asked: Asked, files: list[str]) -> int:
    """Replay with each configuration file, and compare the figures side by side."""
    from calib.app_config import SETTINGS
    from calib.replay.outcome import encoded
    from calib.reports.files import RenderedReport
    from calib.reports.replay_compare import compare_tables, compare_text

    configs = [Config.resolve(SETTINGS, session.flags, file=find_file(file)) for file in files]
    for config in configs:
        note_unused(session, config)
    outcomes = []
    for file, found in zip(files, _outcomes(session, configs, asked), strict=True):
        if isinstance(found, ChildLost):
            raise ChildLost(found.what, where=file, hint=found.hint)
        outcomes.append(found)
    gates = [gate_results(config, outcome) for config, outcome in zip(configs, outcomes, strict=True)]
    gates = gates if asked.gate else []
    data: dict[str, Any] = {
        "schema": "calib.replay-compare/1",
        "outcomes": [{"config": file, "outcome": outcome} for file, outcome in zip(files, outcomes, strict=True)],
    }
    for entry, gate in zip(data["outcomes"], gates, strict=False):
        entry["gate"] = [one.as_data() for one in gate]
    name = f"replay_compare_{stamp_of(outcomes[0])}{tail_of(configs, asked)}"
    report = RenderedReport(compare_text(files, outcomes, gates))
    lines = [str(path) for path in write_reports(session, asked, name, report, encoded(data))]
    data |= {"files": list(lines)}
    lines += ["", *compare_tables(files, outcomes, gates).splitlines()]
    return finish_gate(session, asked, data, lines, [one for gate in gates for one in gate], outcomes)


def sweep(session: Session, asked: Asked, texts: list[str]) -> int:
    """Replay with every combination of the values, and find the Pareto-optimal ones."""
    from calib.replay.limits import limits_from
    from calib.replay.outcome import encoded
    from calib.replay.sweep import Point, cheapest, combinations, frontier, without_effect
    from calib.reports.files import RenderedReport
    from calib.reports.replay_sweep import common_settings, sweep_svg, sweep_table, sweep_text, sweep_verdict

    note_unused(session, session.config)
    everything = combinations(_axes(texts))
    chosen, left_out = _valid(session, asked, everything)
    configs = [session.config.with_flags(values) for values in chosen]
    found = _outcomes(session, configs, asked)
    lost = _report_lost(session, chosen, found)
    left_out += lost
    chosen, configs, outcomes = _completed(chosen, configs, found)
    limits = [limits_from(config.section("replay")) for config in configs]
    points = [Point.of(*found) for found in zip(chosen, outcomes, limits, strict=True)]
    for setting, why in without_effect(points).items():
        session.note(f"{setting} had no effect: {why}")
    best, winner = frontier(points), cheapest(points, strict=asked.strict, cost=asked.cost)
    axes = {key: list(dict.fromkeys(values[key] for values in everything)) for key in everything[0]}
    by = {} if asked.cost == "error" else {"cost": asked.cost}
    name = f"replay_sweep_{stamp_of(outcomes[0])}{tail_of([session.config], asked, sweep=axes, **by)}"
    picture = sweep_svg(points, strict=asked.strict, cost=asked.cost)
    text = sweep_text(points, None if picture is None else ".svg", left_out, strict=asked.strict, cost=asked.cost)
    data: dict[str, Any] = {
        "schema": "calib.replay-sweep/1",
        "range": outcomes[0]["range"],
        "settings": common_settings(points),
        "points": [
            {
                "set": dict(point.chosen),
                "hit_ratio": point.hit_ratio,
                "cost_bps": point.cost_bps,
                "requests": point.requests,
                "not_beaten": point in best,
                "gate": [one.as_data() for one in point.gate],
                "overall": point.outcome["overall"],
            }
            for point in points
        ],
        "without_effect": without_effect(points),
        "left_out": [{"set": dict(one.chosen), "why": one.why} for one in left_out],
        "cheapest": None if winner is None else dict(winner.chosen),
    }
    report = RenderedReport(text, {} if picture is None else {".svg": picture})
    lines = [str(path) for path in write_reports(session, asked, name, report, encoded(data))]
    data |= {"files": list(lines)}
    lines += ["", sweep_verdict(points, strict=asked.strict, cost=asked.cost), "", *sweep_table(points).splitlines()]
    verdict = "no configuration meets the gate" if asked.gate and winner is None else ""
    if lost and asked.strict and not verdict:
        verdict = f"{counted(len(lost), 'replay')} of {len(found)} lost"
    if not verdict:
        write_result(session, asked, outcomes)
    return session.finish(data, lines, exit_code=int(bool(verdict)), verdict=verdict)


def _report_lost(
    session: Session, chosen: list[dict[str, Any]], found: Sequence[dict[str, Any] | ChildLost]
) -> list[SkippedPoint]:
    """Report the combinations without an outcome because their process was killed; the others remain valid.

    Raises
    ------
    ChildLost
        If no process returned an outcome.
    """
    from calib.replay.sweep import SkippedPoint

    lost = [(values, one) for values, one in zip(chosen, found, strict=True) if isinstance(one, ChildLost)]
    if len(lost) == len(found):
        raise lost[0][1]
    for values, error in lost:
        name = ", ".join(f"{key}={value}" for key, value in values.items())
        session.note(f"{name} has no outcome: {error.what}. {error.hint}")
    return [SkippedPoint(values, error.what) for values, error in lost]


def _completed(
    chosen: list[dict[str, Any]], configs: list[Config], found: Sequence[dict[str, Any] | ChildLost]
) -> tuple[list[dict[str, Any]], list[Config], list[dict[str, Any]]]:
    """Return the combinations that have an outcome, with their configurations and outcomes."""
    whole = [row for row in zip(chosen, configs, found, strict=True) if not isinstance(row[2], ChildLost)]
    return [row[0] for row in whole], [row[1] for row in whole], [row[2] for row in whole]  # type: ignore[misc]


def _outcomes(session: Session, configs: list[Config], asked: Asked) -> list[dict[str, Any] | ChildLost]:
    """Run a replay per configuration; a killed process gives its error. Each note is printed once."""
    from calib.replay.job import Job
    from calib.replay.sweep import run_all

    feeds = Path(session.config["feeds"])
    jobs = [Job(feeds, settings_of(config, asked), options_of(config, asked)) for config in configs]
    with session.progress("replaying", len(jobs)) as advance, _cluster(session) as cluster:
        outcomes = run_all(jobs, asked.jobs, advance, cluster)
    whole = [outcome for outcome in outcomes if not isinstance(outcome, ChildLost)]
    for note in dict.fromkeys(note for outcome in whole for note in outcome["notes"]):
        session.note(note)
    return outcomes


def _cluster(session: Session) -> AbstractContextManager[DaskCluster | None]:
    from calib.engines.choice import EngineChoice

    return EngineChoice.of(session.config).cluster()


def _valid(
    session: Session, asked: Asked, combinations: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[SkippedPoint]]:
    """Return the combinations that are valid configurations, and the others.

    Raises
    ------
    ConfigError
        If none is valid.
    """
    from calib.replay.sweep import SkippedPoint

    chosen, left_out, first = list[dict[str, Any]](), list[SkippedPoint](), None
    for values in combinations:
        try:
            settings_of(session.config.with_flags(values), asked)
            chosen.append(values)
        except ConfigError as error:
            left_out.append(SkippedPoint(values, error.what))
            first = first or error
    if first is not None and not chosen:
        raise first
    if left_out:
        first_why = left_out[0].why
        session.note(
            f"{len(left_out)} of {counted(len(combinations), 'combination')} left out, the first because {first_why}"
        )
    return chosen, left_out


def _axes(texts: list[str]) -> list[tuple[str, list[Any]]]:
    from calib.app_config import SETTINGS

    axes: dict[str, list[Any]] = {}
    for text in texts:
        key, _, values = text.partition("=")
        key = key.strip()
        if key not in SETTINGS or not values.strip():
            raise ConfigError(
                f"unknown setting in --sweep {text!r}", hint="Form: KEY=V1,V2; `calib config` lists the keys"
            )
        if not key.startswith(("md_cache.", "replay.")) or key in AS_SWITCHED_ON:
            raise UsageError(
                f"--sweep {key} does not affect replays", hint="Use limits of md_cache. or keys of replay."
            )
        if key in axes:
            raise UsageError(f"--sweep {key} was given twice", hint="Give all its values at once, with commas")
        parsed = [SETTINGS[key].parse(value, f"--sweep {key}") for value in values.split(",") if value.strip()]
        if None in parsed:
            raise UsageError(f"--sweep {key}: null cannot be swept", hint="Leave the key out to use its default")
        axes[key] = list(dict.fromkeys(parsed))
    return list(axes.items())
