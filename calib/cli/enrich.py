"""``calib enrich``: join mids to fills that lack them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from calib.cli.command import command
from calib.cli.output import Session
from calib.feeds.settings import SETTINGS as FEEDS
from calib.files import locked

if TYPE_CHECKING:
    from calib.importers.enrich import Enriched


@command("enrich", example="calib enrich --feeds artifacts/edge/feeds", settings=[FEEDS["feeds"]], directory=True)
def enrich(session: Session) -> int:
    """Join mids of the recorded book, or else of the ticks, to fills that lack them."""
    feeds = Path(session.config["feeds"])
    if not feeds.is_dir():
        from calib.feeds.reading.days import find_days

        find_days(feeds, ("fills",))  # raises the fitting error
    with locked(feeds):
        found = joined(session, feeds)
    return session.finish(data(found), lines(found))


def joined(session: Session, feeds: Path) -> Enriched:
    """Enrich the directory, whose lock the caller holds, and print notes about fills that stay without a mid."""
    from calib.importers.enrich import enrich as run

    found = run(feeds)
    if unknown := found.unknown["mid_now"]:
        session.note(
            f"{unknown} of {found.fills} fills have no mid: they are before or after the recording, in a gap, or "
            "more than 5 s after the last message"
        )
    if found.no_quote_time:
        session.note(
            f"{found.no_quote_time} fills have no ts_quote: their time of quoting is unknown, so mid_at_quote and "
            "spread_at_quote_bps stay empty; net_bps uses mid_now instead"
        )
    return found


def data(found: Enriched) -> dict[str, Any]:
    """Return the data for the JSON output."""
    return {
        "fills": found.fills,
        "joined": found.joined,
        "had": found.had,
        "unknown": found.unknown,
        "mid_from": found.sources,
        "no_ts_quote": found.no_quote_time,
        "written": [{"file": str(path), "changed": changed} for path, changed in found.written],
    }


def lines(found: Enriched) -> list[str]:
    """Return the lines for the text output."""
    counts = [
        f"{name}: {found.joined[name]} joined, {found.had[name]} already present, {found.unknown[name]} unknown"
        for name in found.joined
    ]
    sources = f"mid_now from the book {found.sources['book']}, from ticks {found.sources['ticks']}"
    files = [f"{path}{'' if changed else ', unchanged'}" for path, changed in found.written]
    return [f"{found.fills} fills", *counts, sources, *files]
