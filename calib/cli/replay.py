"""``calib replay``: recorded feeds through the cache that a bot runs, and what its staleness cost."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calib.cli import options, signals
from calib.cli.output import Session
from calib.cli.times import parse_duration, parse_range
from calib.config import SETTINGS, Config, find_file
from calib.errors import ConfigError, UsageError
from calib.files import locked, write_atomic

if TYPE_CHECKING:
    from calib.pipeline.limits import Judged
    from calib.replay.outcome import ReplayOutcome
    from calib.replay.settings import ReplaySettings
    from calib.replay.sweep import Job


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


def replay(
    feeds: options.Feeds = None,
    out: options.Out = None,
    start: options.From = None,
    end: options.To = None,
    since: options.Since = None,
    day: options.Day = None,
    symbols: options.Symbols = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting, e.g. md_cache.ttl_ms=60; repeat."),
    ] = None,
    fill: Annotated[
        str | None, typer.Option("--fill", metavar="stream|callback", help="What fills the cache [stream].")
    ] = None,
    read_every: Annotated[
        str | None,
        typer.Option(
            "--read-every", metavar="DURATION", help="Read so often, e.g. 100ms, instead of at recorded ticks."
        ),
    ] = None,
    use_case: Annotated[
        str | None,
        typer.Option("--use-case", metavar="NAME", help="Of reads that name none: general, pricing, guards [pricing]."),
    ] = None,
    expand_reads: Annotated[
        bool, typer.Option("--expand-reads", help="Fill sampled ticks up with the reads between them.")
    ] = False,
    latency: Annotated[
        str | None,
        typer.Option("--latency", metavar="SPEC", help="constant:MS, recorded or empirical:FILE [as recorded]."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", metavar="KIND@S[+S][:SYM]", help="A fault, e.g. silence@600+5 or rest-error@60+5; repeat."
        ),
    ] = None,
    features_out: Annotated[
        Path | None, typer.Option("--features-out", metavar="FILE.parquet", help="Write feature snapshots on a grid.")
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 where a limit is missed.")] = False,
    min_hit_ratio: Annotated[float | None, typer.Option(metavar="X", help="Gate: least hit ratio [0.7].")] = None,
    max_fetch_p95_ms: Annotated[
        float | None, typer.Option(metavar="MS", help="Gate: largest fetch_md p95 [35].")
    ] = None,
    max_pricing_on_stale: Annotated[
        float | None, typer.Option(metavar="X", help="Gate: largest share of pricing reads on a stale book [0.05].")
    ] = None,
    max_error_p95_bps: Annotated[
        float | None, typer.Option(metavar="BPS", help="Gate: largest p95 of the staleness error [1].")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="With --gate: exit 1 also where nothing can be judged.")
    ] = False,
    compare: Annotated[
        list[str] | None,
        typer.Option("--compare", metavar="FILE.yaml", help="A configuration to set beside others; give two or more."),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep", metavar="KEY=V1,V2", help="Replay with each value, e.g. md_cache.ttl_ms=20,60; repeat."
        ),
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", metavar="N", help="Processes of a sweep [one a core].")] = None,
    max_reject_ratio: options.MaxRejectRatio = None,
    config: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Replay recorded books, ticks and fills through the real cache, and say what staleness cost.

    Writes reports/replay_RANGE.md and .json below --out.
    """
    flags = {
        "feeds": feeds,
        "out": out,
        "symbols": options.split_commas(symbols),
        "max_reject_ratio": max_reject_ratio,
        "jobs": jobs,
        "replay.fill": fill,
        "replay.latency": latency,
        "replay.read_every_ms": None if read_every is None else parse_duration(read_every) * 1000,
        "replay.use_case": use_case,
        "replay.min_hit_ratio": min_hit_ratio,
        "replay.max_fetch_p95_ms": max_fetch_p95_ms,
        "replay.max_pricing_on_stale": max_pricing_on_stale,
        "replay.max_error_p95_bps": max_error_p95_bps,
        **options.parse_settings(setting),
    }
    if flags["symbols"] == []:
        raise UsageError("--symbols names nothing", hint="Leave it out, or say what you mean")
    modes = [
        name for name, given in (("--compare", compare), ("--sweep", sweep), ("--features-out", features_out)) if given
    ]
    if len(modes) > 1:
        raise UsageError(f"{' and '.join(modes)} do not go together", hint="Give one of them")
    if compare and len(compare) < 2:
        raise UsageError("--compare was given once", hint="Repeat it for each configuration, at least two")
    session = options.start(
        "replay", flags=flags, config=config, output=output, quiet=quiet, verbose=verbose, color=color
    )
    span = parse_range(start=start, end=end, since=since, day=day, now=time.time())
    workers = session.config["jobs"] or os.cpu_count() or 1
    asked = Asked(span.start, span.end, tuple(fault or ()), expand_reads, features_out, gate, strict, workers)
    with locked(Path(session.config["out"])):
        if sweep:
            return _sweep(session, asked, sweep)
        if compare:
            return _compare(session, asked, compare, flags)
        return _one(session, asked)


def _one(session: Session, asked: Asked) -> int:
    from calib.replay.run import run_replay
    from calib.reports.replay import digest, replay_text

    out = Path(session.config["out"])
    with session.progress("replaying", 1.0) as advance:
        outcome = run_replay(
            session.config["feeds"],
            _settings(session.config, asked),
            **_options(session.config, asked) | {"out": out, "progress": signals.checked(advance)},
        )
    signals.check()
    judged = _judged(session.config, outcome.data) if asked.gate else []
    for note in outcome.data["notes"]:
        session.note(note)
    name = f"replay_{_stamp(outcome.data)}"
    paths = _write(out, name, {".md": replay_text(outcome.data, judged).encode(), ".json": outcome.encode()})
    if asked.features_out is not None:
        paths.append(asked.features_out)
        _write_features(outcome, asked.features_out)
    overall = outcome.overall
    lines = [str(path) for path in paths]
    lines += [f"{overall['reads']:,} reads; symbols: {len(outcome.data['symbols'])}", digest(overall)]
    lines += _gate_lines(judged)
    data = dict(outcome.data) | {"files": [str(path) for path in paths]}
    if asked.gate:
        data["gate"] = [one.as_data() for one in judged]
    return _finish(session, asked, data, lines, judged)


def _compare(session: Session, asked: Asked, files: list[str], flags: Mapping[str, Any]) -> int:
    from calib.replay.sweep import run_all
    from calib.reports.replay import compare_text

    configs = [Config.resolve(flags, file=find_file(file)) for file in files]
    todo = _jobs(session, configs, asked)
    with session.progress("replaying", len(configs)) as advance:
        outcomes = run_all(todo, asked.jobs, advance)
    text = compare_text(files, outcomes)
    out = Path(session.config["out"])
    paths = _write(out, f"replay_compare_{_stamp(outcomes[0])}", {".md": text.encode()})
    data: dict[str, Any] = {
        "schema": "calib.replay-compare/1",
        "files": [str(path) for path in paths],
        "outcomes": [{"config": file, "outcome": outcome} for file, outcome in zip(files, outcomes, strict=True)],
    }
    lines = [*(str(path) for path in paths), "", *text.splitlines()[2:]]
    judged: list[Judged] = []
    if asked.gate:
        by_config = [_judged(config, outcome) for config, outcome in zip(configs, outcomes, strict=True)]
        judged = [one for each in by_config for one in each]
        for entry, each in zip(data["outcomes"], by_config, strict=True):
            entry["gate"] = [one.as_data() for one in each]
        for file, each in zip(files, by_config, strict=True):
            lines += ["", file, *_gate_lines(each)]
    return _finish(session, asked, data, lines, judged)


def _sweep(session: Session, asked: Asked, texts: list[str]) -> int:
    import orjson

    from calib.replay.gate import limits_from
    from calib.replay.sweep import Point, cheapest, combinations, frontier, run_all
    from calib.reports.replay import sweep_svg, sweep_text

    chosen = combinations(_axes(texts))
    configs = [session.config.with_flags(values) for values in chosen]
    todo = _jobs(session, configs, asked)
    with session.progress("replaying", len(chosen)) as advance:
        outcomes = run_all(todo, asked.jobs, advance)
    limits = [limits_from(config.section("replay")) for config in configs]
    points = [Point.of(*found) for found in zip(chosen, outcomes, limits, strict=True)]
    best, winner = frontier(points), cheapest(points)
    name = f"replay_sweep_{_stamp(outcomes[0])}"
    picture = sweep_svg(points)
    text = sweep_text(points, None if picture is None else f"{name}.svg")
    data: dict[str, Any] = {
        "schema": "calib.replay-sweep/1",
        "range": outcomes[0]["range"],
        "points": [
            {
                "set": dict(point.chosen),
                "hit_ratio": point.hit_ratio,
                "cost_bps": point.cost_bps,
                "not_beaten": point in best,
                "gate": [one.as_data() for one in point.gate],
                "overall": point.outcome["overall"],
            }
            for point in points
        ],
        "cheapest": None if winner is None else dict(winner.chosen),
    }
    encoded = orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    contents = {".md": text.encode(), ".json": encoded} | ({} if picture is None else {".svg": picture.encode()})
    paths = _write(Path(session.config["out"]), name, contents)
    lines = [*(str(path) for path in paths), "", *text.splitlines()[2:]]
    verdict = "no configuration meets the gate" if asked.gate and winner is None else ""
    data |= {"files": [str(path) for path in paths]}
    return session.finish(data, lines, exit_code=int(bool(verdict)), verdict=verdict)


def _axes(texts: list[str]) -> list[tuple[str, list[Any]]]:
    axes: dict[str, list[Any]] = {}
    for text in texts:
        key, _, values = text.partition("=")
        key = key.strip()
        if key not in SETTINGS or not values.strip():
            raise ConfigError(
                f"--sweep {text!r} names no setting", hint="Form: KEY=V1,V2; `calib config` lists the keys"
            )
        if not key.startswith(("md_cache.", "replay.")):
            raise UsageError(f"--sweep {key} changes no replay", hint="Keys of md_cache. and replay. do")
        if key in axes:
            raise UsageError(f"--sweep {key} was given twice", hint="Give all its values at once, with commas")
        parsed = [SETTINGS[key].parse(value, f"--sweep {key}") for value in values.split(",") if value.strip()]
        if None in parsed:
            raise UsageError(f"--sweep {key}: null cannot be swept", hint="Leave the key out where it shall follow")
        axes[key] = list(dict.fromkeys(parsed))
    return list(axes.items())


def _settings(config: Config, asked: Asked) -> ReplaySettings:
    from calib.market import MDCacheConfig
    from calib.replay.latencies import LatencyChoice
    from calib.replay.settings import ReplaySettings
    from calib.venue.faults import Fault

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


def _options(config: Config, asked: Asked) -> dict[str, Any]:
    return {
        "start": asked.start,
        "end": asked.end,
        "symbols": tuple(config["symbols"]),
        "max_reject_ratio": config["max_reject_ratio"],
        "choose_latency": config["replay.latency"] is None,
    }


def _jobs(session: Session, configs: list[Config], asked: Asked) -> list[Job]:
    """A job for each configuration; what has no effect in any of them is said once."""
    from calib.replay.sweep import Job

    feeds = Path(session.config["feeds"])
    jobs = [Job(feeds, _settings(config, asked), _options(config, asked)) for config in configs]
    for note in dict.fromkeys(job.settings.without_effect for job in jobs):
        if note:
            session.note(note)
    return jobs


def _judged(config: Config, outcome: Mapping[str, Any]) -> list[Judged]:
    from calib.replay.gate import judge, limits_from

    return judge(outcome["overall"], limits_from(config.section("replay")))


def _gate_lines(judged: list[Judged]) -> list[str]:
    from calib.reports.replay import gate_table

    return ["", *gate_table(judged).splitlines()] if judged else []


def _finish(session: Session, asked: Asked, data: Any, lines: list[str], judged: list[Judged]) -> int:
    failed = [one.limit.name for one in judged if one.passed is False]
    unknown = [one.limit.name for one in judged if one.passed is None]
    if unknown:
        session.note(f"the gate cannot judge {', '.join(unknown)}: there is nothing to measure")
    if failed or (unknown and asked.strict):
        verdict = f"the gate is missed: {', '.join(dict.fromkeys(failed or unknown))}"
        return session.finish(data, lines, exit_code=1, verdict=verdict)
    return session.finish(data, lines)


def _stamp(outcome: Mapping[str, Any]) -> str:
    span = outcome["range"]
    return "_".join(
        span[end].partition(".")[0].rstrip("Z").replace("-", "").replace(":", "").replace("T", "_")
        for end in ("from", "to")
    )


def _write(out: Path, name: str, contents: Mapping[str, bytes | Callable[[Any], None]]) -> list[Path]:
    paths = [out / "reports" / f"{name}{suffix}" for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        write_atomic(path, content)
    return paths


def _write_features(outcome: ReplayOutcome, path: Path) -> None:
    from calib.replay.grid import write_parquet

    grid = outcome.features
    assert grid is not None
    write_atomic(path, lambda handle: write_parquet(grid, handle))
