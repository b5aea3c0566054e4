"""The formats and presets of ``calib import``, and ``calib import presets``."""

from __future__ import annotations

from calib.cli.command import command
from calib.cli.output import Session


def listing() -> list[str]:
    """Return the lines that list the formats and presets, each starting with its name."""
    from calib.importers.registry import IMPORTERS, load

    width = max(map(len, [*IMPORTERS, *(name for name, _, _ in _presets())])) + 2
    formats = [f"{name:<{width}}{load(name).summary}" for name in IMPORTERS]
    presets = [f"{name:<{width}}{summary}" for name, summary, _ in _presets()]
    last = "Give one of these names and the files. For any other layout: calib import guess FILE"
    return ["Formats:", *formats, "", "Presets:", *presets, "", last]


@command("import presets", example="calib import presets")
def presets(session: Session) -> int:
    """List the mappings of venues and bots that calib provides."""
    rows = _presets()
    width = max(len(name) for name, _, _ in rows) + 2
    data = {"presets": [{"name": name, "summary": summary, "source": source} for name, summary, source in rows]}
    return session.finish(data, [f"{name:<{width}}{summary}" for name, summary, _ in rows])


def _presets() -> list[tuple[str, str, str]]:
    from calib.importers.table.chosen import preset, preset_names

    found = [(name, preset(name)) for name in preset_names()]
    return [(name, mapping.summary, mapping.source) for name, mapping in found]
