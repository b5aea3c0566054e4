"""``calib check --ready``: the checklist before a first calibration."""

from __future__ import annotations

from pathlib import Path

from calib.cli.output import Session
from calib.cli.report_options import ReportFormat, form_of, open_report
from calib.errors import UsageError


def check_ready(
    session: Session, paths: list[Path] | None, baseline: Path | None, form: ReportFormat | None, open_: bool
) -> int:
    """Check a directory of feeds; exit 1 if it is not ready. Writes a report if a format is given."""
    if paths is not None and len(paths) != 1:
        raise UsageError("--ready checks one directory of feeds", hint="Give one directory, or --feeds")
    feeds = Path(session.config["feeds"]) if paths is None else paths[0]
    if feeds.exists() and not feeds.is_dir():
        raise UsageError(f"{feeds} is not a directory", where="--ready", hint="Give the directory of the feeds")

    from calib.dataset.build import build_dataset
    from calib.evaluation.readiness import baseline_p95, built, check_readiness
    from calib.evaluation.readiness_settings import ReadinessSettings
    from calib.experiments.canary.settings import CanarySettings
    from calib.feeds.reading.days import find_days
    from calib.reports.files import write_report_files
    from calib.reports.readiness import readiness_report, readiness_table, readiness_verdict

    find_days(feeds, ["fills", "pipeline_ticks"])  # raises if the directory does not exist or has no feeds
    config = session.config
    symbols = tuple(config["symbols"])
    options = {"symbols": symbols, "max_reject_ratio": config["max_reject_ratio"]}
    options |= {key: config[f"aggregate.{key}"] for key in ("interval_sec", "tick_sample_rate")}
    dataset, why = built(lambda: build_dataset(feeds, **options))
    if why:
        session.note(f"the dataset cannot be built: {why}")
    found = check_readiness(
        feeds,
        dataset,
        ReadinessSettings(**config.section("ready")),
        CanarySettings.from_section(config.section("canary")),
        baseline_p95_ms=None if baseline is None else baseline_p95(baseline),
        symbols=symbols,
    )
    for note in found.notes:
        session.note(note)
    files: list[Path] = []
    if form is not None or open_:
        report = readiness_report(str(feeds), found)
        written = form_of(form or ReportFormat.MD, open_)
        files = write_report_files(Path(config["out"]) / "reports", "readiness", report, written.value)
        if open_:
            open_report(session, files)
    verdict = readiness_verdict(found)
    lines = [*map(str, files), verdict, "", *readiness_table(found).splitlines()]
    data = found.as_data() | {"feeds": str(feeds), "files": [str(path) for path in files]}
    return session.finish(data, lines, exit_code=int(not found.ready), verdict="" if found.ready else verdict)
