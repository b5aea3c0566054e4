"""The common parts of the commands: the session, the shared options, and the flags of settings."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import typer

from calib.cli import options
from calib.cli.help import Group
from calib.cli.lazy import Command
from calib.config import Setting
from calib.errors import UsageError
from calib.storage import is_url

_SHARED: Final[dict[str, tuple[Any, Any]]] = {
    "config_file": (options.ConfigFile, None),
    "output": (options.Output, options.OutputForm.TEXT),
    "quiet": (options.Quiet, False),
    "verbose": (options.Verbose, 0),
    "color": (options.Color, options.ColorMode.AUTO),
}
"""Annotation and default of each shared option, by parameter."""
_DIRECTORY: Final = "feeds_argument"
_TYPES: Final[dict[str, Any]] = {"int": int, "float": float, "str": str, "list": list[str], "bool": bool}
_METAVARS: Final = {"int": "N", "float": "X", "str": "TEXT", "list": "NAME[,NAME]"}


def command(
    name: str, *, example: str, settings: Sequence[Setting] = (), directory: bool = False, urls: bool = False
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Turn a function into a command.

    The first parameter of the function is the `Session`, which is opened for it; the others are its own options. Each
    setting becomes a flag of the same name; its value is read from the configuration of the session.

    Parameters
    ----------
    name
        Name in the envelope; ``ab status`` for a command of a group.
    example
        One example of a command line.
    settings
        The settings that get flags.
    directory
        Whether the directory of the feeds may also be given as an argument.
    urls
        Whether ``--feeds`` and ``--out`` may be URLs; other commands refuse them.
    """

    def decorate(body: Callable[..., int]) -> Callable[..., int]:
        flags = {_parameter(row): row for row in settings}
        own = [*inspect.signature(body).parameters.values()][1:]
        hints = get_type_hints(body, include_extras=True)

        @functools.wraps(body)
        def run(**given: Any) -> int:
            shared = {key: given.pop(key) for key in _SHARED}
            values = {row.key: _value(row, given.pop(key)) for key, row in flags.items()}
            if directory and (place := given.pop(_DIRECTORY)) is not None:
                values["feeds"] = _directory(place, values.get("feeds"))
            session = options.start(
                name,
                flags=values | options.parse_settings(given.pop("setting", None)),
                config=shared["config_file"],
                output=shared["output"],
                quiet=shared["quiet"],
                verbose=shared["verbose"],
                color=shared["color"],
                urls=urls,
            )
            return body(session, **given)

        parameters = [_option(item.name, hints[item.name], item.default) for item in own]
        if directory:
            argument = typer.Argument(metavar="DIR", help="Directory of the feeds, instead of --feeds.")
            parameters.insert(0, _option(_DIRECTORY, Annotated[str | None, argument], None))
        parameters += [_option(key, _flag(row), None) for key, row in flags.items()]
        parameters += [_option(key, annotation, default) for key, (annotation, default) in _SHARED.items()]
        run.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
        run.__annotations__ = {item.name: item.annotation for item in parameters} | {"return": int}
        run.epilog = f"Example: {example}"  # type: ignore[attr-defined]
        return run

    return decorate


def group(name: str, *, cls: type[Group] = Group, **attributes: Any) -> typer.Typer:
    """Return a group of commands; ``attributes`` are those of Typer."""
    return typer.Typer(
        name=name, cls=cls, no_args_is_help=False, add_completion=False, rich_markup_mode=None, **attributes
    )


def add(app: typer.Typer, name: str, body: Callable[..., int]) -> None:
    """Add a command made by `command` to an application."""
    app.command(name, cls=Command, epilog=body.epilog)(body)  # type: ignore[attr-defined]


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _parameter(row: Setting) -> str:
    return "setting_" + row.key.replace(".", "_")


def _flag(row: Setting) -> Any:
    """Return the option of a setting: its name, type, meaning and default."""
    default = _shown(row.default)
    choices = f": {', '.join(row.choices)}; repeat or use commas" if row.kind == "list" and row.choices else ""
    help_ = f"{row.meaning}{choices}{f' [{default}]' if default else ''}."
    names = (row.flag, f"--no-{row.flag[2:]}") if row.kind == "bool" else (row.flag,)
    metavar = "|".join(row.choices) if row.kind == "str" and row.choices else _METAVARS.get(row.kind)
    option = typer.Option("/".join(names), metavar=row.metavar or metavar, help=help_)
    return Annotated[_TYPES[row.kind] | None, option]


def _shown(default: Any) -> str:
    match default:
        case None | [] | {}:
            return ""
        case bool():
            return "on" if default else "off"
        case list():
            return ",".join(default)
        case float():
            return f"{default:g}"
        case _:
            return str(default)


def _value(row: Setting, given: Any) -> Any:
    if given is None:
        return None
    if row.kind != "list":
        return given
    if not (names := options.split_commas(given)):
        raise UsageError(f"{row.flag} has no value", hint=f"Leave {row.flag} out, or give at least one")
    return names


def _directory(place: str, flag: str | None) -> str:
    if flag is not None and flag != place:
        raise UsageError(f"two directories of feeds: {place} and --feeds {flag}", hint="Give one of them")
    if not is_url(place) and not Path(place).is_dir():
        hint = "Give the directory of the feeds" if Path(place).exists() else "--symbols takes commas: BTCUSDT,ETHUSDT"
        raise UsageError(f"{place} is not a directory", hint=hint)
    return place
