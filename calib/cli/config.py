"""``calib config``: every setting with its value and the origin of the value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from calib.cli.command import command
from calib.cli.output import Session
from calib.config import nearest
from calib.errors import UsageError


@command("config", example="calib config md_cache --output json")
def config(
    session: Session,
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Only keys with this prefix.")] = None,
) -> int:
    """Print each setting with its value, the origin of the value, and the allowed range."""
    settings = session.config.settings
    for prefix in keys or []:
        if not any(key.startswith(prefix) for key in settings):
            raise UsageError(
                f"no setting starts with {prefix}", hint=nearest(prefix, [*settings, *_sections(settings)])
            )
    chosen = [key for key in settings if not keys or any(key.startswith(prefix) for prefix in keys)]
    data = {
        key: {
            "value": session.config[key],
            "origin": session.config.origin(key),
            "allowed": settings[key].allowed,
            "variable": settings[key].variable,
            "meaning": settings[key].meaning,
        }
        for key in chosen
    }
    shown = {key: _shown(session.config[key]) for key in chosen}
    key_width = max((len(key) for key in chosen), default=0)
    value_width = max((len(text) for text in shown.values()), default=0)
    lines = [
        f"{key:<{key_width}}  {shown[key]:<{value_width}}  {session.config.origin(key)}  ({settings[key].allowed})"
        for key in chosen
    ]
    return session.finish(data, lines)


def _sections(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(key.partition(".")[0] for key in keys))


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
