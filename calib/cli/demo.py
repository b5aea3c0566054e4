"""``calib demo``: build a dataset of the sample feeds and summarise it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calib.cli.command import command
from calib.cli.output import Session
from calib.feeds.settings import SETTINGS
from calib.files import locked
from calib.words import counted

if TYPE_CHECKING:
    from calib.dataset.model import Dataset
    from calib.reports.render import SummaryReport

SAMPLES = "sample_feeds"


@command("demo", example="calib demo --out /tmp/calib-demo", settings=[SETTINGS["out"]])
def demo(session: Session) -> int:
    """Build a dataset of the sample feeds and summarise it: `calib aggregate` and `calib summary` in one command.

    Without sample_feeds/, a small set of feeds is simulated into demo_feeds/ below --out.
    """
    from calib.dataset.build import build_dataset
    from calib.dataset.store import write_dataset
    from calib.reports.render import render_summary

    root = Path(session.config["out"])
    with locked(root):
        feeds = _samples() or _simulated(session, root)
        start, end = _range_of(feeds)
        dataset = build_dataset(feeds, start=start, end=end, out=root, note=session.note)
        (path,) = write_dataset(dataset, root / "datasets", ["json"])
        report = render_summary(path, root)
    written = (root / "rejects" / f"{item.file}.rejects.jsonl" for item in dataset.inputs)
    rejects = [str(made) for made in written if made.exists()]
    data: dict[str, Any] = {
        "feeds": str(feeds),
        "dataset": str(path),
        "report": str(report.path),
        "rejects": rejects,
        "intervals": dataset.counts.intervals,
        "kept": dataset.counts.kept,
        "usable": report.summary.verdict.usable,
    }
    return session.finish(data, _result_lines(feeds, path, report, root, dataset))


def _range_of(feeds: Path) -> tuple[str, str]:
    """Return the simulated range, as ISO 8601."""
    made = json.loads((feeds / "simulation.json").read_text("utf-8"))
    return made["from"], made["to"]


def _samples() -> Path | None:
    """Return the sample feeds in the working directory, or next to the package as in a checkout; None without them."""
    for place in (Path(), Path(__file__).resolve().parents[2]):
        if (place / SAMPLES / "simulation.json").is_file():
            return place / SAMPLES
    return None


def _simulated(session: Session, root: Path) -> Path:
    from calib.simulation.output import simulate
    from calib.simulation.plan import SimulationPlan

    start = 1_735_765_200  # 2025-01-01T21:00:00Z, as the sample feeds
    plan = SimulationPlan(("BTCUSDT", "ETHUSDT"), start, start + 3_600, hostile=True)
    session.note(f"{SAMPLES}/ is not here: simulating an hour of two symbols instead")
    with session.progress("simulating", len(plan.symbols) * len(plan.hours())) as advance:
        return simulate(plan, root / "demo_feeds", progress=advance).directory


def _result_lines(feeds: Path, dataset: Path, report: SummaryReport, root: Path, made: Dataset) -> list[str]:
    """Return the lines that list what was read and written."""
    lines = sum(item.lines for item in made.inputs)
    rejected = lines - sum(item.used for item in made.inputs)
    verdict = report.summary.verdict
    symbols = counted(len(made.range.symbols), "symbol")
    return [
        f"read     {feeds}: {counted(len(made.inputs), 'file')}, {counted(lines, 'line')}, {symbols}",
        f"dataset  {dataset}: {made.counts.kept} of {counted(made.counts.intervals, 'interval')} kept",
        f"rejects  {root / 'rejects'}: {counted(rejected, 'bad line')}, each with its reason",
        f"summary  {report.path}: {f'not usable, {verdict.reason}' if not verdict.usable else 'usable'}",
        "Look at the summary first. To run the same steps yourself:",
        f"  calib aggregate {feeds} --from {made.range.from_} --to {made.range.to}",
        "  calib summary",
    ]
