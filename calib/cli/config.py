"""``calib config``: every setting with its value and where that came from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from calib.cli import options


def config(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Only keys that begin so.")] = None,
    config_file: options.ConfigFile = None,
    output: options.Output = options.OutputForm.TEXT,
    quiet: options.Quiet = False,
    color: options.Color = options.ColorMode.AUTO,
) -> int:
    """Print each setting with its value, where the value came from, and the allowed range."""
    from calib.app_config import SETTINGS

    session = options.start("config", config=config_file, output=output, quiet=quiet, color=color)
    chosen = [key for key in SETTINGS if not keys or any(key.startswith(prefix) for prefix in keys)]
    if not chosen:
        session.note("no key begins so; `calib config` lists every key")
    data = {
        key: {
            "value": session.config[key],
            "origin": session.config.origin(key),
            "allowed": SETTINGS[key].allowed,
            "variable": SETTINGS[key].variable,
            "meaning": SETTINGS[key].meaning,
        }
        for key in chosen
    }
    shown = {key: _shown(session.config[key]) for key in chosen}
    key_width = max((len(key) for key in chosen), default=0)
    value_width = max((len(text) for text in shown.values()), default=0)
    lines = [
        f"{key:<{key_width}}  {shown[key]:<{value_width}}  {session.config.origin(key)}  ({SETTINGS[key].allowed})"
        for key in chosen
    ]
    return session.finish(data, lines)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return ",".join(value) or "(all)" if value else "(none)"
        case dict():
            return ",".join(f"{name}={number}" for name, number in value.items()) or "(none)"
        case _:
            return str(value)
